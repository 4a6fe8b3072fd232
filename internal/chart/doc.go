// Package chart packages Helm charts, pushes them to a registry, renders them and installs them as Helm releases.
//
// It is a thin layer over the Helm 4 SDK. What it installs are ordinary Helm releases, stored where Helm stores
// them (Secrets named sh.helm.release.v1.*) and applied under Helm's own field manager, so the helm command line,
// 3 or 4, can list, upgrade, roll back and uninstall them, and this package can do the same with releases that
// helm made.
//
// The package reads no Helm environment variables and writes nothing to a home directory. Its own output goes to
// the slog.Logger given to [New]. Some parts of the Helm SDK and of client-go log through slog's and klog's
// process-wide default loggers; a program that wants silence sets those (slog.SetDefault, klog.SetSlogLogger).
package chart

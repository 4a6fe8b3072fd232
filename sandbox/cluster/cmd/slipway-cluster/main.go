// Command slipway-cluster is a whole Kubernetes in one binary: it holds the
// upstream programs as applets and runs the one that is named, either by the
// first argument ("slipway-cluster kubelet …") or by the name it is called
// under (a symbolic link named kubectl). Each applet takes the flags of the
// upstream program unchanged. One binary is one build and, since all processes
// map the same file, one copy of the code in memory.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	_ "time/tzdata" // CronJobs may name a time zone and the machine may have no zone files.

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl: exec and OIDC credentials.
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics on /metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metric on /metrics
	"k8s.io/component-base/version"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"github.com/slipway-cd/slipway/sandbox/cluster/internal/dns"
	"github.com/slipway-cd/slipway/sandbox/cluster/internal/multicall"
	"github.com/slipway-cd/slipway/sandbox/cluster/internal/reaper"
)

func main() {
	os.Exit(multicall.Run("slipway-cluster", applets(), os.Args, os.Stderr))
}

// applets lists everything this binary can be.
func applets() []multicall.Applet {
	return []multicall.Applet{
		{Name: "etcd", Summary: "the cluster's store", Run: runEtcd},
		{Name: "kube-apiserver", Summary: "the Kubernetes API", Run: component(apiserver.NewAPIServerCommand)},
		{Name: "kube-controller-manager", Summary: "the controllers", Run: component(controllermanager.NewControllerManagerCommand)},
		{Name: "kube-scheduler", Summary: "gives pods to nodes", Run: component(func() *cobra.Command {
			return scheduler.NewSchedulerCommand()
		})},
		{Name: "kubelet", Summary: "runs a node's pods", Run: component(func() *cobra.Command {
			return kubelet.NewKubeletCommand(context.Background())
		})},
		{Name: "kube-proxy", Summary: "Service addresses on a node", Run: component(proxy.NewProxyCommand)},
		{Name: "kubectl", Summary: "the command line client", Run: runKubectl},
		{Name: "coredns", Summary: "cluster DNS", Run: dns.Main},
		{Name: "pause", Summary: "holds a pod's namespaces", Run: func([]string) int { return reaper.Run() }},
		{Name: "version", Summary: "prints the Kubernetes version", Run: func([]string) int { return printVersion(os.Stdout) }},
	}
}

// component adapts a Kubernetes component's command. The command is built only
// when its applet runs, because building one registers flags and feature gates.
func component(build func() *cobra.Command) func([]string) int {
	return func(args []string) int {
		os.Args = args // some components read it, as cobra does
		return cli.Run(build())
	}
}

// runEtcd runs etcd, which ends the process itself when it fails.
func runEtcd(args []string) int {
	os.Args = args
	etcdmain.Main(args)
	return 0
}

// runKubectl runs kubectl, which prints its own errors and, on one, ends the
// process itself with the exit code that scripts expect.
func runKubectl(args []string) int {
	os.Args = args
	// Verbosity must hold while the command is being built (plug-ins, .kuberc),
	// which is before cobra parses flags. A malformed value is reported by cobra.
	_, _ = logs.GlogSetter(kubectlcmd.GetLogVerbosity(args))
	if err := cli.RunNoErrOutput(kubectlcmd.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}

// printVersion writes what this binary is on one line.
func printVersion(w io.Writer) int {
	if _, err := fmt.Fprintf(w, "slipway-cluster Kubernetes %s %s %s/%s\n",
		version.Get().GitVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH); err != nil {
		return 1
	}
	return 0
}

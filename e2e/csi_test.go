//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/slipway-cd/slipway/internal/vault"
)

// storeDriver is the name of the Secrets Store CSI driver.
const storeDriver = "secrets-store.csi.k8s.io"

var providerClasses = schema.GroupVersionResource{Group: "secrets-store.csi.x-k8s.io", Version: "v1", Resource: "secretproviderclasses"}

// driver stands in for the Secrets Store CSI driver and its Azure provider. The node's kubelet registers it and calls it as it
// would the real one, over gRPC: what it mounts, pods see, and what it says when it cannot, the kubelet tells. It reads the
// Key Vault stand-in, in the versions that a SecretProviderClass names, and makes Secrets after the mount. Unlike the real
// one it knows one identity only, gives it no token of the pod's, and never looks for newer versions.
type driver struct {
	vault  *vault.KeyVault
	name   string // of the vault
	server *grpc.Server

	mu      sync.Mutex
	refuses bool
	mounted map[string]map[string]string // files by pod
	targets map[string]bool              // where something is mounted now
}

// startDriver registers the stand-in with the kubelet until the test ends. Start it before a site, so that it is there until
// the site's pods are gone.
func startDriver(t *testing.T, name string) *driver {
	t.Helper()
	d := &driver{vault: sandboxVault(t), name: name, mounted: map[string]map[string]string{}, targets: map[string]bool{}}
	object := &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: storeDriver}, Spec: storagev1.CSIDriverSpec{
		PodInfoOnMount: ptr(true), AttachRequired: ptr(false), VolumeLifecycleModes: []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecycleEphemeral}}}
	if _, err := suite.kube.StorageV1().CSIDrivers().Create(t.Context(), object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	socket := filepath.Join(sandboxDir, "kubelet/plugins_registry", storeDriver+"-reg.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	d.server = grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		var in []byte
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		out, err := d.call(stream.Context(), method, in, socket)
		if err != nil {
			return err
		}
		return stream.SendMsg(&out)
	}))
	go func() { _ = d.server.Serve(listener) }() // ends with Stop
	t.Cleanup(func() {
		eventually(t, 90*time.Second, "the pods to be gone", func() (bool, string) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.targets) == 0, fmt.Sprint(d.targets)
		})
		d.server.Stop() // which removes the socket: the kubelet forgets the driver
		err := suite.kube.StorageV1().CSIDrivers().Delete(context.Background(), storeDriver, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return d
}

func ptr[T any](v T) *T { return &v }

// call answers what a kubelet asks of a driver of inline volumes; the numbers are those of pluginregistration.proto and csi.proto.
func (d *driver) call(ctx context.Context, method string, in []byte, socket string) ([]byte, error) {
	switch method {
	case "/pluginregistration.Registration/GetInfo":
		return message(1, "CSIPlugin", 2, storeDriver, 3, socket, 4, "1.0.0"), nil
	case "/csi.v1.Node/NodeGetInfo":
		return message(1, "slipway"), nil
	case "/csi.v1.Identity/GetPluginInfo":
		return message(1, storeDriver, 2, "1.0.0"), nil
	case "/pluginregistration.Registration/NotifyRegistrationStatus", "/csi.v1.Identity/Probe", "/csi.v1.Node/NodeGetCapabilities":
		return nil, nil
	case "/csi.v1.Node/NodePublishVolume":
		f := fields(in)
		attributes := map[string]string{}
		for _, entry := range f[8] {
			e := fields(entry)
			attributes[string(first(e[1]))] = string(first(e[2]))
		}
		return nil, d.publish(ctx, string(first(f[4])), attributes)
	case "/csi.v1.Node/NodeUnpublishVolume":
		target := string(first(fields(in)[2]))
		if err := syscall.Unmount(target, 0); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			return nil, status.Errorf(codes.Internal, "unmounting %s: %v", target, err)
		}
		if err := os.RemoveAll(target); err != nil {
			return nil, status.Errorf(codes.Internal, "removing %s: %v", target, err)
		}
		d.mu.Lock()
		delete(d.targets, target)
		d.mu.Unlock()
		return nil, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "the stand-in does not know %s", method)
}

// class is a SecretProviderClass as the driver reads it.
type class struct {
	Spec struct {
		Provider      string
		Parameters    map[string]string
		SecretObjects []struct {
			SecretName, Type string
			Labels           map[string]string
			Data             []struct{ ObjectName, Key string }
		}
	}
}

// publish mounts what a SecretProviderClass names.
func (d *driver) publish(ctx context.Context, target string, attributes map[string]string) error {
	pod, namespace := attributes["csi.storage.k8s.io/pod.name"], attributes["csi.storage.k8s.io/pod.namespace"]
	fail := func(format string, args ...any) error {
		return status.Errorf(codes.Unknown, "failed to mount secrets store objects for pod %s/%s, err: rpc error: code = Unknown desc = "+format, append([]any{namespace, pod}, args...)...)
	}
	name := attributes["secretProviderClass"]
	object, err := suite.dynamic.Resource(providerClasses).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return status.Errorf(codes.Unknown, "failed to get secretproviderclass %s/%s, error: %v", namespace, name, err)
	}
	var c class
	if err := decode(object, &c); err != nil {
		return fail("failed to read the secretproviderclass: %v", err)
	}
	files, err := d.fetch(ctx, c)
	if err != nil {
		return fail("failed to mount objects, error: %v", err)
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fail("%v", err)
	}
	if err := syscall.Mount("tmpfs", target, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "mode=0755"); err != nil {
		return fail("mounting a tmpfs: %v", err)
	}
	for file, value := range files {
		if err := os.WriteFile(filepath.Join(target, file), []byte(value), 0o644); err != nil {
			return fail("%v", errors.Join(err, syscall.Unmount(target, 0)))
		}
	}
	d.mu.Lock()
	d.mounted[pod], d.targets[target] = files, true
	d.mu.Unlock()
	go d.sync(c, namespace, pod, types.UID(attributes["csi.storage.k8s.io/pod.uid"]), files) // not before the mount, and not with it
	return nil
}

// fetch reads what a class names, and is as strict as the provider.
func (d *driver) fetch(ctx context.Context, c class) (map[string]string, error) {
	p := c.Spec.Parameters
	for name := range p {
		if !slices.Contains([]string{"keyvaultName", "tenantId", "clientID", "usePodIdentity", "objects"}, name) {
			return nil, fmt.Errorf("the parameter %s is not known", name)
		}
	}
	switch {
	case c.Spec.Provider != "azure":
		return nil, fmt.Errorf("provider %q not found", c.Spec.Provider)
	case p["keyvaultName"] != d.name:
		return nil, fmt.Errorf("dial tcp: lookup %s.vault.azure.net: no such host", p["keyvaultName"])
	case p["tenantId"] != tenant || p["clientID"] != client || p["usePodIdentity"] != "false":
		return nil, fmt.Errorf("failed to acquire token: %v", p)
	}
	var objects struct{ Array []string }
	if err := yaml.UnmarshalStrict([]byte(p["objects"]), &objects); err != nil || len(objects.Array) == 0 {
		return nil, fmt.Errorf("failed to yaml unmarshal objects, error: %w", err)
	}
	files := map[string]string{}
	for _, text := range objects.Array {
		var o struct{ ObjectName, ObjectType, ObjectVersion, ObjectAlias string }
		if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil || o.ObjectType != "secret" || o.ObjectAlias == "" || strings.Contains(o.ObjectAlias, "..") {
			return nil, fmt.Errorf("unmarshal failed for keyVaultObjects (%q): %w", text, err)
		}
		d.mu.Lock()
		refuses := d.refuses
		d.mu.Unlock()
		if refuses {
			return nil, fmt.Errorf("failed to get objectType:secret, objectName:%s, objectVersion:%s: GET https://%s.vault.azure.net/secrets/%s/%s\n"+
				"%s\nRESPONSE 403: 403 Forbidden\nERROR CODE: Forbidden\n%[6]s\n{ \"error\": { \"code\": \"Forbidden\", \"message\": \"Caller is not authorized to perform action on resource.\" } }",
				o.ObjectName, o.ObjectVersion, d.name, o.ObjectName, o.ObjectVersion, strings.Repeat("-", 80))
		}
		ref := vault.Ref{Name: o.ObjectName, Version: o.ObjectVersion}
		values, err := d.vault.Read(ctx, []vault.Ref{ref})
		if err != nil {
			return nil, err
		}
		files[o.ObjectAlias] = values[ref].Secret.Reveal()
	}
	return files, nil
}

// sync makes the Secrets of a class, as the driver's controller does beside the mount; they belong to the pod.
func (d *driver) sync(c class, namespace, pod string, uid types.UID, files map[string]string) {
	for _, o := range c.Spec.SecretObjects {
		s := &corev1.Secret{Type: corev1.SecretType(o.Type), Data: map[string][]byte{}, ObjectMeta: metav1.ObjectMeta{Name: o.SecretName, Labels: o.Labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod, UID: uid}}}}
		s.Labels["secrets-store.csi.k8s.io/managed"] = "true"
		for _, item := range o.Data {
			s.Data[item.Key] = []byte(files[item.ObjectName])
		}
		_, _ = suite.kube.CoreV1().Secrets(namespace).Create(context.Background(), s, metav1.CreateOptions{}) // the test looks for it
	}
}

func (d *driver) refuse(refuses bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuses = refuses
}

// raw is a codec that leaves messages as they are.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

// message writes numbers and texts, by turns, as fields.
func message(pairs ...any) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = protowire.AppendTag(b, protowire.Number(pairs[i].(int)), protowire.BytesType)
		b = protowire.AppendString(b, pairs[i+1].(string))
	}
	return b
}

// fields are the texts and messages of a message, by number.
func fields(b []byte) map[protowire.Number][][]byte {
	all := map[protowire.Number][][]byte{}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return all
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return all
		}
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(b)
			all[number] = append(all[number], value)
		}
		b = b[n:]
	}
	return all
}

func first(list [][]byte) []byte {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

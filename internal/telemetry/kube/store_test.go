package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// mountsStore is a pod on its way that mounts a volume of the Secrets Store CSI driver.
func mountsStore() Snapshot {
	s := web()
	s.Pods[0].Spec.Volumes = []corev1.Volume{{Name: "redis", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "secrets-store.csi.k8s.io"}}}}
	return s
}

// What the driver and its Azure provider say, as their users report it.
const refusedByVault = `MountVolume.SetUp failed for volume "redis" : rpc error: code = Unknown desc = failed to mount secrets store objects for pod shop/web-2, err: rpc error: code = Unknown desc = failed to mount objects, error: failed to get objectType:secret, objectName:redis-access, objectVersion:0123456789abcdef0123456789abcdef: GET https://dev1-vault.vault.azure.net/secrets/redis-access/0123456789abcdef0123456789abcdef
--------------------------------------------------------------------------------
RESPONSE 403: 403 Forbidden
ERROR CODE: Forbidden
--------------------------------------------------------------------------------
{ "error": { "code": "Forbidden", "message": "Caller is not authorized to perform action on resource." } }`

func TestAPodThatCannotMountIsToldInTheDriversOwnWords(t *testing.T) {
	after := deployed.Add(time.Minute)
	for name, c := range map[string]struct {
		events []string // the newest last
		final  bool
		says   string
	}{
		"the vault refuses":                   {events: []string{refusedByVault}, says: "objectName:redis-access"},
		"the kubelet has waited in vain":      {events: []string{refusedByVault, "Unable to attach or mount volumes: unmounted volumes=[redis], unattached volumes=[]: timed out waiting for the condition"}, says: "RESPONSE 403: 403 Forbidden"},
		"the Secret of it is missing as well": {events: []string{refusedByVault, `MountVolume.SetUp failed for volume "copy" : secret "web-redis-0123456789" not found`}, says: "Caller is not authorized"},
		"nothing else is known":               {events: []string{"Unable to attach or mount volumes: unmounted volumes=[redis]: timed out waiting for the condition"}, says: "unmounted volumes=[redis]"},
		"no driver":                           {events: []string{`MountVolume.SetUp failed for volume "redis" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name secrets-store.csi.k8s.io not found in the list of registered CSI drivers`}, final: true, says: "not found in the list of registered CSI drivers"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mountsStore()
			for i, m := range c.events {
				e := warning(s.Pods[0], "FailedMount", m, after.Add(time.Duration(i)*time.Second))
				e.Count = mountAttempts
				s.Events = append(s.Events, e)
			}
			r := Judge(Target{Release: "web-green", Since: deployed}, s)
			if len(r.Findings) != 1 {
				t.Fatalf("report %+v", r)
			}
			f := r.Findings[0]
			if f.Final != c.final || !strings.Contains(f.Message, c.says) || strings.Contains(f.Message, "rpc error") || strings.Contains(f.Message, "-----") {
				t.Errorf("finding %+v", f)
			}
		})
	}
}

func TestASecretThatComesWithAMountIsWaitedFor(t *testing.T) {
	s := mountsStore()
	s.Pods[0].Status.ContainerStatuses[0].State = waiting("CreateContainerConfigError", `secret "web-redis-0123456789" not found`)
	if r := Judge(Target{Release: "web-green", Since: deployed}, s); len(r.Findings) != 1 || r.Findings[0].Final {
		t.Errorf("as a variable of the container: %+v", r.Findings)
	}
	s = mountsStore()
	e := warning(s.Pods[0], "FailedMount", `MountVolume.SetUp failed for volume "copy" : secret "web-redis-0123456789" not found`, deployed.Add(time.Minute))
	e.Count = 3 * mountAttempts
	s.Events = []*corev1.Event{e}
	if r := Judge(Target{Release: "web-green", Since: deployed}, s); len(r.Findings) != 1 || r.Findings[0].Final {
		t.Errorf("as a volume: %+v", r.Findings)
	}
}

package kube

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

var deployed = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

// web is a release of one Deployment with one pod, on its way.
func web() Snapshot {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "d", Generation: 2, Annotations: map[string]string{
			"meta.helm.sh/release-name": "web-green", "deployment.kubernetes.io/revision": "2"}},
		Spec:   appsv1.DeploymentSpec{Replicas: ptr.To(int32(1)), ProgressDeadlineSeconds: ptr.To(int32(600))},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, UnavailableReplicas: 1},
	}
	return Snapshot{
		Deployments: []*appsv1.Deployment{d},
		ReplicaSets: []*appsv1.ReplicaSet{replicaSet("rs-old", "1"), replicaSet("rs", "2")},
		Pods:        []*corev1.Pod{pod("web-2", "rs", corev1.ContainerStatus{Name: "main", State: waiting("ContainerCreating", "")})},
	}
}

func replicaSet(uid, revision string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: uid, UID: types.UID(uid),
		Annotations:     map[string]string{"deployment.kubernetes.io/revision": revision},
		OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: "web", UID: "d", Controller: ptr.To(true)}}}}
}

func pod(name, owner string, cs ...corev1.ContainerStatus) *corev1.Pod {
	for i := range cs {
		if cs[i].Image == "" {
			cs[i].Image = "r.example/web:1"
		}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(deployed.Add(time.Second)),
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: owner, UID: types.UID(owner), Controller: ptr.To(true)}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: cs},
	}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func ended(code int32, reason, message string, at time.Time) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message, FinishedAt: metav1.NewTime(at)}}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
}

func makeReady(p *corev1.Pod) *corev1.Pod {
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return p
}

func finish(s *Snapshot) {
	makeReady(s.Pods[0])
	s.Pods[0].Status.ContainerStatuses[0].State = running()
	s.Deployments[0].Status = appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"}}}
}

func warning(p *corev1.Pod, reason, message string, at time.Time) *corev1.Event {
	return &corev1.Event{Type: corev1.EventTypeWarning, Reason: reason, Message: message, LastTimestamp: metav1.NewTime(at),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: p.Name, UID: p.UID, FieldPath: "spec.containers{main}"}}
}

func TestWhatIsWrongWithAPodIsToldApart(t *testing.T) {
	backOff := func(n int32, last corev1.ContainerState) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "main", RestartCount: n, LastTerminationState: last,
			State: waiting("CrashLoopBackOff", "back-off 40s restarting failed container")}
	}
	pull := func(reason, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "main", State: waiting(reason, message)}
	}
	after := deployed.Add(time.Minute)
	cases := map[string]struct {
		container corev1.ContainerStatus
		change    func(*Snapshot)
		want      Problem
		final     bool
		say       string
	}{
		"a crash may be a race at the start":              {container: backOff(2, ended(1, "Error", "", after)), want: CrashLoop, say: "exit code 1"},
		"three restarts are a crash loop":                 {container: backOff(3, ended(137, "Error", "", after)), want: CrashLoop, final: true, say: "exit code 137"},
		"a container that ended is not yet started again": {container: corev1.ContainerStatus{Name: "main", State: ended(2, "Error", "no config", after)}, want: CrashLoop, say: "no config"},
		"the end of a log says why":                       {container: backOff(3, ended(2, "Error", "starting\nlistening\nno port left\n", after)), want: CrashLoop, final: true, say: "exit code 2: no port left"},
		"a line of JSON says why": {container: backOff(3, ended(2, "Error", `{"level":"INFO","msg":"starting"}`+"\n"+`{"time":"2026-01-01T00:00:00Z","level":"ERROR","msg":"cannot start","error":"no port left"}`+"\n", after)), want: CrashLoop, final: true,
			say: "exit code 2: cannot start: no port left"},
		"a panic's line says why, not its stack": {container: backOff(3, ended(2, "Error", "starting\npanic: no map\n\ngoroutine 1 [running]:\nmain.main()\n\t/main.go:4 +0x1d\nexit status 2\n", after)), want: CrashLoop, final: true,
			say: "exit code 2: panic: no map"},
		"too little memory":                 {container: backOff(1, ended(137, "OOMKilled", "", after)), want: OOMKilled, say: "for want of memory"},
		"too little memory again and again": {container: backOff(3, ended(137, "OOMKilled", "", after)), want: OOMKilled, final: true},
		"a command that is not there": {container: backOff(0, ended(128, "StartError", `exec: "/nope": stat /nope: no such file or directory`, after)),
			want: CannotStart, final: true, say: "/nope"},
		"image not found (containerd)": {container: pull("ErrImagePull", `rpc error: code = NotFound desc = failed to pull and unpack image "r.example/web:1": failed to resolve reference "r.example/web:1": r.example/web:1: not found`),
			want: ImageNotFound, final: true, say: "image r.example/web:1 does not exist"},
		"image not found, in back-off": {container: pull("ImagePullBackOff", `Back-off pulling image "r.example/web:1": ErrImagePull: rpc error: code = NotFound desc = r.example/web:1: not found`),
			want: ImageNotFound, final: true},
		"image not found, told only by an event": {container: pull("ImagePullBackOff", `Back-off pulling image "r.example/web:1"`),
			change: func(s *Snapshot) {
				s.Events = []*corev1.Event{warning(s.Pods[0], "Failed", `Failed to pull image "r.example/web:1": manifest unknown`, after)}
			}, want: ImageNotFound, final: true},
		"image for another platform": {container: pull("ErrImagePull", "no match for platform in manifest: not found"), want: ImageNotFound, final: true, say: "platform"},
		"registry refuses once":      {container: pull("ErrImagePull", "failed to authorize: 401 Unauthorized"), want: ImageUnauthorized},
		"registry goes on refusing":  {container: pull("ImagePullBackOff", "Back-off … ErrImagePull: pull access denied, repository does not exist or may require authorization"), want: ImageUnauthorized, final: true},
		"registry refuses connection": {container: pull("ErrImagePull", `failed to do request: Head "https://r.example/v2/web/manifests/not-found": dial tcp 10.0.0.1:443: connect: connection refused`),
			want: ImageUnreachable},
		"registry's name is unknown": {container: pull("ImagePullBackOff", "ErrImagePull: dial tcp: lookup r.example: no such host"), want: ImageUnreachable},
		"registry is throttling":     {container: pull("ErrImagePull", "429 Too Many Requests - toomanyrequests: rate limit"), want: ImageUnreachable},
		"image name is no name":      {container: corev1.ContainerStatus{Name: "main", Image: "Web::1", State: waiting("InvalidImageName", "")}, want: InvalidImage, final: true, say: `"Web::1"`},
		"missing Secret":             {container: pull("CreateContainerConfigError", `secret "redis" not found`), want: MissingConfig, final: true, say: `secret "redis" not found`},
		"missing key": {container: pull("CreateContainerConfigError", `couldn't find key password in Secret shop/redis`),
			want: MissingConfig, final: true},
		"a Secret that is on its way to the node": {container: pull("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"), want: MissingConfig},
		"a root image under restricted":           {container: pull("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"), want: CannotStart, final: true},
		"no room on any node": {container: pull("", ""), change: func(s *Snapshot) {
			s.Pods[0].Status.ContainerStatuses = nil
			s.Pods[0].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable",
				Message: "0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint {gpu: true}. no new claims to deallocate, preemption: 0/3 nodes are available."}}
		}, want: Unschedulable, say: "2 Insufficient cpu, 1 node(s) had untolerated taint {gpu: true}"},
		"a probe that fails": {container: corev1.ContainerStatus{Name: "main", State: running()}, change: func(s *Snapshot) {
			s.Events = []*corev1.Event{warning(s.Pods[0], "FailedMount", "old", deployed), warning(s.Pods[0], "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", after)}
		}, want: ProbeFailing, say: "statuscode: 503"},
		"a missing ConfigMap as a volume may have come since": {container: pull("ContainerCreating", ""), change: func(s *Snapshot) {
			s.Events = []*corev1.Event{warning(s.Pods[0], "FailedMount", `MountVolume.SetUp failed for volume "c": configmap "c" not found`, after)}
		}, want: MissingConfig},
		"a missing ConfigMap as a volume, told again and again": {container: pull("ContainerCreating", ""), change: func(s *Snapshot) {
			s.Events = []*corev1.Event{warning(s.Pods[0], "FailedMount", `MountVolume.SetUp failed for volume "c": configmap "c" not found`, after)}
			s.Events[0].Count = 5
		}, want: MissingConfig, final: true},
		"a disk that is still attached elsewhere": {container: pull("ContainerCreating", ""), change: func(s *Snapshot) {
			s.Events = []*corev1.Event{warning(s.Pods[0], "FailedAttachVolume", "Multi-Attach error for volume", after)}
		}, want: VolumeNotReady},
		"an evicted pod": {container: pull("", ""), change: func(s *Snapshot) {
			s.Pods[0].Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
		}, want: PodFailed, say: "Evicted"},
		"a node that is gone": {container: pull("", ""), change: func(s *Snapshot) { s.Pods[0].Status.Phase = corev1.PodUnknown }, want: NodeLost},
		"quota": {container: pull("", ""), change: refused(`pods "web-2" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2`),
			want: QuotaExceeded, final: true, say: "exceeded quota: small"},
		"Pod Security": {container: pull("", ""), change: refused(`pods "web-2" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`),
			want: Refused, final: true},
		"a webhook that is down": {container: pull("", ""), change: refused(`Internal error occurred: failed calling webhook "x": connection refused`), want: Refused},
		"the Deployment's own deadline": {container: pull("", ""), change: func(s *Snapshot) {
			s.Deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}}
		}, want: ProgressDeadline, final: true, say: "600s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := web()
			if c.container.Image == "" {
				c.container.Image = "r.example/web:1"
			}
			s.Pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{c.container}
			if c.change != nil {
				c.change(&s)
			}
			r := Judge(Target{Release: "web-green", Since: deployed}, s)
			if r.Done || len(r.Findings) == 0 {
				t.Fatalf("report %+v", r)
			}
			f := r.Findings[0]
			if f.Problem != c.want || f.Final != c.final || !strings.Contains(f.Message, c.say) {
				t.Errorf("finding %+v", f)
			}
			if _, final := r.Final(); final != c.final {
				t.Errorf("the report is final: %v", final)
			}
		})
	}
}

func refused(message string) func(*Snapshot) {
	return func(s *Snapshot) {
		s.Pods = nil
		s.Deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message}}
	}
}

func TestAKubeletsLateCacheIsNothingWrong(t *testing.T) {
	for _, m := range []string{
		`MountVolume.SetUp failed for volume "kube-api-access-v8rf9" : failed to sync configmap cache: timed out waiting for the condition`,
		`MountVolume.SetUp failed for volume "kube-api-access-v8rf9" : configmap "kube-root-ca.crt" not found`,
		`MountVolume.SetUp failed for volume "c" : object "shop"/"c" not registered`,
	} {
		s := web()
		s.Events = []*corev1.Event{warning(s.Pods[0], "FailedMount", m, deployed)}
		s.Events[0].Count = 9
		if r := Judge(Target{Release: "web-green"}, s); len(r.Findings) != 0 {
			t.Errorf("%s: %+v", m, r.Findings)
		}
	}
}

func TestAPodOnItsWayIsNothingWrong(t *testing.T) {
	r := Judge(Target{Release: "web-green", Since: deployed}, web())
	if r.Done || !r.Found || len(r.Findings) != 0 || r.Wanted != 1 || r.Ready != 0 {
		t.Fatalf("report %+v", r)
	}
	if got := r.Summary(); !strings.HasPrefix(got, "0 of 1 pods ready: Deployment/web: ") {
		t.Errorf("summary %q", got)
	}
}

func TestAReleaseIsDoneWhenItsWorkloadsAndItsServiceAre(t *testing.T) {
	s := web()
	finish(&s)
	if r := Judge(Target{Release: "web-green", Since: deployed}, s); !r.Done || r.Ready != 1 || r.Summary() != "1 of 1 pods ready" {
		t.Errorf("without a Service: %+v", r)
	}
	target := Target{Release: "web-green", Since: deployed, Service: "web"}
	if r := Judge(target, s); r.Done || !strings.Contains(r.Summary(), "Service/web does not exist") {
		t.Errorf("missing Service: %s", r.Summary())
	}
	s.Service = &corev1.Service{}
	ep := discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(false)}}
	s.Slices = []discoveryv1.EndpointSlice{{Endpoints: []discoveryv1.Endpoint{ep}}}
	if r := Judge(target, s); r.Done || r.Endpoints != 0 {
		t.Errorf("endpoint not ready: %+v", r)
	}
	s.Slices[0].Endpoints[0].Conditions.Ready = ptr.To(true)
	if r := Judge(target, s); !r.Done || r.Endpoints != 1 {
		t.Errorf("endpoint ready: %+v", r)
	}
}

func TestADeploymentThatItsControllerHasNotSeenIsNotDone(t *testing.T) {
	s := web()
	finish(&s)
	s.Deployments[0].Generation = 3
	if r := Judge(Target{Release: "web-green"}, s); r.Done {
		t.Errorf("the old revision was taken for the new: %+v", r)
	}
}

func TestPodsOfOlderRevisionsAndOfOthersAreNotJudged(t *testing.T) {
	crash := corev1.ContainerStatus{Name: "main", RestartCount: 9, State: waiting("CrashLoopBackOff", "")}
	deleted := pod("leaving", "rs", crash)
	deleted.DeletionTimestamp = ptr.To(metav1.NewTime(deployed))
	hook := pod("test", "rs", crash)
	hook.Annotations = map[string]string{"helm.sh/hook": "test"}
	other := pod("other", "someone-else", crash)
	other.Labels = map[string]string{"app.kubernetes.io/instance": "web-green"} // a chart that hard-codes the label
	for name, p := range map[string]*corev1.Pod{"older revision": pod("old", "rs-old", crash), "being deleted": deleted, "Helm's test": hook, "other release": other} {
		t.Run(name, func(t *testing.T) {
			s := web()
			finish(&s)
			s.Pods = append(s.Pods, p)
			if r := Judge(Target{Release: "web-green", Since: deployed}, s); !r.Done || r.Restarts != 0 || len(r.Findings) != 0 {
				t.Errorf("report %+v", r)
			}
		})
	}
}

func TestAReleaseIsFoundByAnnotationByLabelAndByName(t *testing.T) {
	for name, c := range map[string]struct {
		meta   metav1.ObjectMeta
		target Target
		found  bool
	}{
		"annotation":                     {metav1.ObjectMeta{Annotations: map[string]string{"meta.helm.sh/release-name": "x"}}, Target{Release: "x"}, true},
		"label":                          {metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/instance": "x"}}, Target{Release: "x"}, true},
		"name":                           {metav1.ObjectMeta{}, Target{Release: "x", Workloads: []WorkloadRef{{"Deployment", "web"}}}, true},
		"neither":                        {metav1.ObjectMeta{}, Target{Release: "x"}, false},
		"label, but another's by Helm":   {metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/instance": "x"}, Annotations: map[string]string{"meta.helm.sh/release-name": "y"}}, Target{Release: "x"}, false},
		"no release and no label either": {metav1.ObjectMeta{}, Target{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.meta.Name = "web"
			r := Judge(c.target, Snapshot{Deployments: []*appsv1.Deployment{{ObjectMeta: c.meta}}})
			if r.Found != c.found || r.Done {
				t.Errorf("report %+v", r)
			}
			if !c.found && !strings.HasPrefix(r.Summary(), "no pods") {
				t.Errorf("summary %q", r.Summary())
			}
		})
	}
}

func TestRestartsBeforeTheDeploymentDoNotCount(t *testing.T) {
	for name, c := range map[string]struct {
		created time.Duration
		last    time.Duration
		count   int32
		want    int
	}{
		"a new pod's all count":                     {created: 0, last: time.Minute, count: 4, want: 4},
		"an old pod's last one, if after":           {created: -time.Hour, last: time.Minute, count: 4, want: 1},
		"an old pod's that ended before":            {created: -time.Hour, last: -time.Minute, count: 4, want: 0},
		"a new pod of the same second as the start": {created: -600 * time.Millisecond, last: time.Minute, count: 2, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := web()
			finish(&s)
			s.Pods[0].CreationTimestamp = metav1.NewTime(deployed.Add(c.created))
			cs := &s.Pods[0].Status.ContainerStatuses[0]
			cs.RestartCount, cs.LastTerminationState = c.count, ended(137, "OOMKilled", "", deployed.Add(c.last))
			r := Judge(Target{Release: "web-green", Since: deployed}, s)
			if r.Restarts != c.want || (r.OOMKills == 1) != (c.want > 0) {
				t.Errorf("restarts %d, kills %d", r.Restarts, r.OOMKills)
			}
		})
	}
}

func TestWhatCannotHealIsToldFirst(t *testing.T) {
	s := web()
	s.Pods = append(s.Pods, pod("web-1", "rs", corev1.ContainerStatus{Name: "main", State: running()}))
	s.Events = []*corev1.Event{warning(s.Pods[1], "Unhealthy", "Readiness probe failed", deployed)}
	s.Pods[0].Status.ContainerStatuses[0].State = waiting("InvalidImageName", "")
	r := Judge(Target{Release: "web-green"}, s)
	if len(r.Findings) != 2 || r.Findings[0].Problem != InvalidImage || !strings.Contains(r.Summary(), "(and 1 more)") {
		t.Errorf("%s: %+v", r.Summary(), r.Findings)
	}
}

func TestStatefulSetsCountOnlyPodsOfTheirNewRevision(t *testing.T) {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", UID: "s", Annotations: map[string]string{"meta.helm.sh/release-name": "x"}},
		Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(int32(2))}, Status: appsv1.StatefulSetStatus{UpdateRevision: "new"}}
	mk := func(name, rev string) *corev1.Pod {
		p := makeReady(pod(name, "s", corev1.ContainerStatus{Name: "main", State: running()}))
		p.OwnerReferences[0].Kind = "StatefulSet"
		p.Labels = map[string]string{appsv1.ControllerRevisionHashLabelKey: rev}
		return p
	}
	r := Judge(Target{Release: "x"}, Snapshot{StatefulSets: []*appsv1.StatefulSet{set}, Pods: []*corev1.Pod{mk("db-0", "old"), mk("db-1", "new")}})
	if r.Wanted != 2 || r.Ready != 1 || r.Done {
		t.Errorf("report %+v", r)
	}
}

package gate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/telemetry/kube"
)

// Pods is where a Kubernetes gate and [WaitReady] read; *[kube.Source] is one.
type Pods interface {
	// Inspect reads once.
	Inspect(context.Context, kube.Target) (kube.Report, error)
	// Watch calls see after each change until it returns true or ctx ends.
	Watch(ctx context.Context, t kube.Target, see func(kube.Report) bool) error
}

type kubernetesGate struct {
	name string
	cfg  config.Kubernetes
	pods Pods
}

// NewKubernetes makes a gate that asks the candidate's pods. It fails on what cannot heal and on more restarts since the
// candidate was deployed than allowed (kills for want of memory are restarts); it passes when every workload is ready;
// all else holds, told apart in the reason.
func NewKubernetes(name string, k config.Kubernetes, pods Pods) Gate {
	return &kubernetesGate{name: name, cfg: k, pods: pods}
}

// Look implements [Gate].
func (g *kubernetesGate) Look(ctx context.Context, c Candidate) (Verdict, error) {
	r, err := g.pods.Inspect(ctx, c.target())
	if err != nil {
		return Verdict{}, fmt.Errorf("gate %s: %w", g.name, err)
	}
	v := Verdict{Gate: g.name, At: time.Now().UTC(), Reason: r.Summary()}
	_, final := r.Final()
	switch {
	case final:
		v.Outcome, v.Final = Fail, true
	case r.Restarts > g.cfg.Restarts:
		v.Outcome = Fail
		v.Reason = fmt.Sprintf("%d restarts, %d allowed: %s", r.Restarts, g.cfg.Restarts, r.Summary())
	case r.Done:
		v.Outcome = Pass
	default:
		v.Outcome = Hold
	}
	if len(r.Notes) > 0 && v.Outcome != Pass {
		v.Reason += " (" + strings.Join(r.Notes, "; ") + ")"
	}
	return v, nil
}

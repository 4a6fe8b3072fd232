package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// Charts.

func (p *process) Install(ctx context.Context, d Deployment) error {
	return p.do(ctx, "install "+d.Release, func() error {
		p.changed("install of " + d.Release)
		if !p.w.planned(d.Release) {
			p.w.violation("%s was installed without a recorded intent", d.Release)
		}
		p.w.helm[d.Release] = append(p.w.helm[d.Release], p.bundle)
		return nil
	})
}

func (p *process) Rollback(ctx context.Context, release string, revision int) error {
	return p.do(ctx, "helm rollback "+release, func() error {
		p.changed("helm rollback of " + release)
		if revision < 1 || revision > len(p.w.helm[release]) {
			return fmt.Errorf("helm release %s has no revision %d", release, revision)
		}
		p.w.helm[release] = append(p.w.helm[release], p.w.helm[release][revision-1])
		return nil
	})
}

func (p *process) Uninstall(ctx context.Context, release string) error {
	return p.do(ctx, "uninstall "+release, func() error {
		p.changed("removal of " + release)
		if !p.w.planned(release) {
			p.w.violation("%s was removed without a recorded intent", release)
		}
		if r := p.w.route; r != nil && (r.Production != nil && r.Production.Service == release || r.Candidate != nil && r.Candidate.Service == release) {
			p.w.violation("%s was removed while the route names it", release)
		}
		if len(p.w.helm[release]) > 0 {
			p.w.removed[release] = time.Now()
		}
		delete(p.w.helm, release)
		return nil
	})
}

func (p *process) Revision(ctx context.Context, release string) (n int, err error) {
	err = p.do(ctx, "revision "+release, func() error { n = len(p.w.helm[release]); return nil })
	return n, err
}

func (p *process) Backend(ctx context.Context, d Deployment) (b traffic.Backend, err error) {
	err = p.do(ctx, "backend "+d.Release, func() error {
		if p.bundle == "" {
			return errors.New("no bundle is at hand")
		}
		b = traffic.Backend{Service: d.Release, Port: 80}
		return nil
	})
	return b, err
}

func (p *process) Adopt(ctx context.Context, release string) (b traffic.Backend, err error) {
	err = p.do(ctx, "adopt "+release, func() error { b = traffic.Backend{Service: release, Port: 80}; return nil })
	return b, err
}

// Readiness.

func (p *process) Wait(ctx context.Context, d Deployment, b traffic.Backend, _ time.Time, timeout time.Duration) error {
	ready := false
	err := p.do(ctx, "wait "+d.Release, func() error { ready = p.w.ready(d.Release) && b.Service == d.Release; return nil })
	if err != nil || ready {
		return err
	}
	select {
	case <-time.After(timeout):
		return fmt.Errorf("release %s is not ready", d.Release)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *process) Endpoints(ctx context.Context, b traffic.Backend) (n int, err error) {
	err = p.do(ctx, "endpoints", func() error {
		if p.w.ready(b.Service) {
			n = 1
		}
		return nil
	})
	return n, err
}

// Preflight, router and verifier have methods of the same names, so they are types of their own.

type (
	fakeGates     process
	fakePreflight process
	fakeRouter    process
	fakeVerifier  process
)

func (p *fakePreflight) Check(ctx context.Context) error {
	return (*process)(p).do(ctx, "preflight", func() error { return nil })
}

func (p *fakeRouter) Check(context.Context) error { return nil }

func (p *fakeRouter) Write(ctx context.Context, s traffic.Split, f traffic.Fence) (written traffic.Written, err error) {
	w := p.w
	err = (*process)(p).do(ctx, "write", func() error {
		if int64(f) < w.fence {
			return &traffic.StaleError{Object: "httproute/ns/svc", Ours: int64(f), Found: w.fence}
		}
		(*process)(p).changed("a write of the route")
		for b, share := range shares(s) {
			if share > 0 && !w.ready(b) {
				w.violation("%d %% of the traffic was given to %s, which has no endpoints", share, b)
			}
		}
		if s.Candidate != nil {
			// The cluster's DNS keeps an answer for 5 s: until then the pods of a slot find their own Services where the
			// slot's earlier ones were.
			if gone, ok := w.removed[s.Candidate.Service]; ok && time.Since(gone) < 5*time.Second {
				w.violation("%s was made reachable %v after another of its name was removed", s.Candidate.Service, time.Since(gone))
			}
		}
		w.fence, w.route = int64(f), &s
		w.epoch++
		w.splits = append(w.splits, s)
		written = traffic.Written{Split: s, Epoch: fmt.Sprint(w.epoch)}
		return nil
	})
	return written, err
}

func (p *fakeRouter) Read(context.Context) (traffic.Split, bool, error) {
	return traffic.Split{}, false, nil
}
func (p *fakeRouter) Describe(context.Context) string { return "accepted" }
func (p *fakeRouter) Remove(ctx context.Context, f traffic.Fence) error {
	return (*process)(p).do(ctx, "remove route", func() error {
		if int64(f) < p.w.fence {
			return &traffic.StaleError{Object: "httproute/ns/svc", Ours: int64(f), Found: p.w.fence}
		}
		(*process)(p).changed("removal of the route")
		p.w.route = nil
		return nil
	})
}

func (p *fakeVerifier) Verify(ctx context.Context, w traffic.Written) error {
	return (*process)(p).do(ctx, "verify", func() error { return nil })
}

// shares of the traffic by Service, in percent.
func shares(s traffic.Split) map[string]int {
	out := map[string]int{}
	if s.Production != nil {
		out[s.Production.Service] = 100 - s.Weight
	}
	if s.Candidate != nil {
		out[s.Candidate.Service] += s.Weight
	}
	return out
}

func (p *fakeGates) Ask(ctx context.Context, stage, phase string, c gate.Candidate, hold, _ time.Duration) (d Decision, err error) {
	err = (*process)(p).do(ctx, fmt.Sprintf("ask %s %s %d", stage, phase, c.Weight), func() error {
		d = Decision{Pass: true}
		if p.w.gates != nil {
			d = p.w.gates(stage, phase, c)
		}
		return nil
	})
	if err != nil || !d.Pass {
		return d, err
	}
	select {
	case <-time.After(hold):
		return d, nil
	case <-ctx.Done():
		return Decision{}, ctx.Err()
	}
}

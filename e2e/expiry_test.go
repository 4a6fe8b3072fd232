//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

// tokens is what the Entra stand-in tells of the access tokens that it has issued.
type tokens struct{ Issued, Refused int }

func issued(t *testing.T) tokens {
	t.Helper()
	var now tokens
	if err := json.Unmarshal([]byte(controls(t, http.MethodGet, "entra", "")), &now); err != nil {
		t.Fatal(err)
	}
	return now
}

// shortLived lets access tokens live for so long only, until the test ends. All tests share Entra: not for parallel ones.
func shortLived(t *testing.T, lifetime string) {
	t.Helper()
	controls(t, http.MethodPut, "entra", `{"lifetime":"`+lifetime+`"}`)
	t.Cleanup(func() { controls(t, http.MethodDelete, "entra", "") })
}

// lateSite is one whose telemetry is late, so that a release of it takes a minute and more.
func lateSite(t *testing.T, name string) *site {
	t.Helper()
	s := newWatchedSite(t, name)
	s.deadline = "3m"
	delayed.set(t, s.namespace+".calculator-frontend", 20*time.Second)
	return s
}

// releasing starts a release and waits until half of the traffic is moved.
func (s *site) releasing(t *testing.T, name string) *process {
	t.Helper()
	p := s.start(t, name, "release", "--env", "seen", "--bundle", variant(t, name).bundle, "-o", "json")
	p.await(t, "half of the traffic", func(e event.Event) bool { return e.Kind == event.Verified && weighs(50)(e) })
	return p
}

// unanswered are the verdicts of looks that had no answer.
func (r result) unanswered() []event.Event {
	var all []event.Event
	for _, e := range r.events {
		if e.Kind == event.Verdict && strings.Contains(e.Message, "telemetry could not be read") {
			all = append(all, e)
		}
	}
	return all
}

// revoke ends all tokens before their time, when the newest is neither so young that it would be left out nor about to end by
// itself.
func revoke(t *testing.T) {
	t.Helper()
	last, since := issued(t).Issued, time.Now()
	eventually(t, time.Minute, "a token of some seconds", func() (bool, string) {
		if now := issued(t).Issued; now != last {
			last, since = now, time.Now()
		}
		age := time.Since(since)
		return age > 2*time.Second && age < 6*time.Second, fmt.Sprintf("its age is %s", age)
	})
	controls(t, http.MethodPost, "entra/revoke", "")
}

func TestTokensThatEndInTheMiddleOfAReleaseAreRenewed(t *testing.T) {
	s := lateSite(t, "expiry")
	v := visit(t, calculate(s.host))
	s.release(t, "seen", seen, 0)
	v.nowSeesOnly(t, seen)
	v.forget()
	shortLived(t, "15s")
	before := issued(t)
	start := time.Now()
	p := s.releasing(t, seen2)
	revoke(t)
	r := p.wait(t)
	r.mustExit(t, 0)
	v.nowSeesOnly(t, seen2)
	v.sawNoFailure(t)
	if e := r.unanswered(); len(e) > 0 {
		t.Errorf("looks had no answer: %+v", e)
	}
	after := issued(t)
	took := time.Since(start)
	if n := after.Issued - before.Issued; n < int(took/(15*time.Second)) {
		t.Errorf("%d tokens of 15 s for a release of %s", n, took)
	}
	if after.Refused == before.Refused {
		t.Error("no token was refused after the revocation, so that was not tested")
	}
	t.Logf("%d tokens, %d times one was refused, in %s", after.Issued-before.Issued, after.Refused-before.Refused, took.Round(time.Second))
}

// Without Entra and with a token that has ended the gates hold; once it is back they go on where they were.
func TestEntraThatIsAwayInTheMiddleOfAReleaseHoldsIt(t *testing.T) {
	s := lateSite(t, "entra-away")
	v := visit(t, calculate(s.host))
	s.release(t, "seen", seen, 0)
	v.nowSeesOnly(t, seen)
	v.forget()
	shortLived(t, "10s")
	p := s.releasing(t, seen2)
	for _, c := range []struct{ what, rule, says string }{
		{"a look while Entra is unavailable", `{"rate":1,"status":503}`, "AADSTS90033"},
		{"a look while Entra is cut off", `{"rate":1,"status":444}`, "Entra cannot be reached"},
	} {
		fault(t, "entra", c.rule)
		held := p.await(t, c.what, func(e event.Event) bool { return e.Kind == event.Verdict && strings.Contains(e.Message, c.says) })
		if held.Outcome != "hold" || !strings.Contains(held.Message, "telemetry could not be read") || !strings.Contains(held.Message, "no token") {
			t.Errorf("without a token the gate should hold and say why, but said %+v", held)
		}
	}
	controls(t, http.MethodPut, "entra/fault", `{"rate":0}`)
	p.wait(t).mustExit(t, 0)
	v.nowSeesOnly(t, seen2)
	v.sawNoFailure(t)
}

// Whatever happens to single queries, a release of a good version ends well: the gates hold and ask again.
func TestEveryTroubleOfTheQueryAPIIsSurvivedInTheMiddleOfARelease(t *testing.T) {
	t.Parallel()
	s := lateSite(t, "troubled")
	all := []trouble{
		{status: http.StatusUnauthorized}, {status: http.StatusForbidden}, {status: http.StatusNotFound},
		{status: http.StatusTooManyRequests, retryAfter: "2"}, {status: http.StatusInternalServerError}, {delay: 3 * time.Second}, {cut: true},
	}
	var on atomic.Bool // the check before a release must be answered
	var met atomic.Int64
	s.logs, s.ca = faultyLogs(t, func(n int) trouble {
		if !on.Load() || n%2 == 0 {
			return trouble{}
		}
		return all[int(met.Add(1))%len(all)]
	})
	v := visit(t, calculate(s.host))
	s.release(t, "seen", seen, 0)
	v.nowSeesOnly(t, seen)
	v.forget()
	p := s.releasing(t, seen2)
	on.Store(true)
	p.wait(t).mustExit(t, 0)
	v.nowSeesOnly(t, seen2)
	v.sawNoFailure(t)
	if n := int(met.Load()); n < len(all) {
		t.Errorf("only %d of %d troubles were met", n, len(all))
	}
}

// A query API that fails for good leaves the gates without evidence: the deadline takes the release back, and the reason says why.
func TestAQueryAPIThatFailsForGoodTakesTheReleaseBackAtTheDeadline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble trouble
		says    string
	}{
		"forbidden": {trouble{status: http.StatusForbidden}, "no permission"},
		"cut off":   {trouble{cut: true}, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWatchedSite(t, "blind-"+strings.ReplaceAll(name, " ", "-"))
			v := visit(t, calculate(s.host))
			s.release(t, "seen", seen, 0)
			v.nowSeesOnly(t, seen)
			v.forget()
			s.deadline = "20s"
			s.logs, s.ca = faultyLogs(t, func(n int) trouble {
				if n == 1 { // the check before the release
					return trouble{}
				}
				return c.trouble
			})
			r := s.release(t, "seen", seen2, 3)
			r.says(t, "no evidence in 20s", "telemetry could not be read", c.says)
			v.nowSeesOnly(t, seen)
			v.sawNoFailure(t)
			if rec := s.status(t, "seen"); rec.Open != nil {
				t.Errorf("a release is left open: %+v", rec.Open)
			}
		})
	}
}

// An identity provider or a registry in trouble stops a release before anything is touched, or is waited for.
func TestEntraAndARegistryInTroubleTouchNothing(t *testing.T) {
	l := newLeakSite(t, "trouble")
	project := l.project("good", "{}")
	l.setMarks(project)
	l.run(0, "", "build", "-f", project, "--version", "trouble-v1")
	bundle := acr + strings.TrimPrefix(registry, "127.0.0.1:5080") + "/bundles/calculator:trouble-v1"
	release := []string{"release", "-f", project, "--env", "canary", "--bundle", bundle}
	for _, c := range []struct{ service, what, rule, says string }{
		{"entra", "unauthorized", `{"rate":1,"status":401}`, "AADSTS700027"},
		{"entra", "forbidden", `{"rate":1,"status":403}`, "403"},
		{"entra", "missing", `{"rate":1,"status":404}`, "404"},
		{"entra", "throttled", `{"rate":1,"status":429,"retryAfter":"1s"}`, "too many incoming requests"},
		{"entra", "failing", `{"rate":1,"status":500}`, "AADSTS50000"},
		{"entra", "cut off", `{"rate":1,"status":444}`, "Entra cannot be reached"},
		{"registry", "unauthorized", `{"rate":1,"status":401}`, acr},
		{"registry", "forbidden", `{"rate":1,"status":403}`, "firewall"},
		{"registry", "missing", `{"rate":1,"status":404}`, acr},
		{"registry", "throttled", `{"rate":1,"status":429,"retryAfter":"1s"}`, "too many requests"},
		{"registry", "failing", `{"rate":1,"status":500}`, "500"},
		{"registry", "cut off", `{"rate":1,"status":444}`, "cannot be reached"},
	} {
		t.Run(c.service+" "+c.what, func(t *testing.T) {
			fault(t, c.service, c.rule)
			l := &leakSite{site: l.site, t: t, dir: l.dir, temp: l.temp, hunt: l.hunt}
			if out := l.run(2, "", release...); !strings.Contains(out, c.says) {
				t.Errorf("should say %q:\n%s", c.says, out)
			}
			l.untouched(t)
		})
	}
	fault(t, "entra", `{"rate":1,"status":429,"retryAfter":"1s","times":2}`)
	fault(t, "registry", `{"rate":1,"status":429,"retryAfter":"1s","times":2}`)
	l.run(0, "", release...)
}

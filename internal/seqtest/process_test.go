package seqtest_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

var (
	plain         = seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: 1}}
	worseMixture  = seqtest.Worse(1.15, 2.2, 40, 16)
	slowerMixture = seqtest.Worse(1.1, 1.8, 12, 12)
)

func plan(first float64) seqtest.Plan {
	m := worseMixture
	return seqtest.Plan{Mixture: m, Nulls: seqtest.BiasRatios(m), Stakes: seqtest.Stakes{First: first, Half: 1200}}
}

// step is a batch in which the arms had these trials and this many events together.
type step struct {
	from, nc, ns float64
	events       int
}

// walk visits every way in which the events of some batches may fall on the arms when the candidate's rate is ratio times
// production's, with its probability and the evidence after each batch.
func walk(p seqtest.Plan, nulls []float64, ratio float64, steps []step, see func(probability float64, logE []float64)) {
	var visit func(i int, probability float64, so seqtest.Process, logs []float64)
	visit = func(i int, probability float64, so seqtest.Process, logs []float64) {
		if i == len(steps) {
			see(probability, logs)
			return
		}
		st := steps[i]
		for x, px := range binomial(st.events, ratio*st.nc/(ratio*st.nc+st.ns)) {
			next := seqtest.Process{Begun: so.Begun, Worse: append([]float64(nil), so.Worse...), Fine: append([]float64(nil), so.Fine...)}
			b := p.Batch(plain, seqtest.Counts{Trials: st.nc, Events: float64(x)}, seqtest.Counts{Trials: st.ns, Events: float64(st.events - x)})
			next.Observe(p, st.from, nulls, b)
			visit(i+1, probability*px, next, append(logs[:i:i], next.LogE(nulls)))
		}
	}
	visit(0, 1, seqtest.Process{}, nil)
}

// The split of traffic and the number of events change with every batch, and stakes begin all along.
var steps = []step{{0, 100, 900, 2}, {10, 100, 900, 5}, {300, 250, 750, 3}, {310, 500, 500, 4}, {4000, 10, 990, 6}}

func TestAProcessHasMeanOneWhileTheCandidateIsFine(t *testing.T) {
	for _, first := range []float64{1, 0.9, 0.5} {
		sum, total := 0.0, 0.0
		walk(plan(first), nil, 1, steps, func(probability float64, logs []float64) {
			total += probability
			sum += probability * math.Exp(logs[len(logs)-1])
		})
		if math.Abs(total-1) > 1e-9 || math.Abs(sum-1) > 1e-9 {
			t.Errorf("first stake %v: mean %v over probability %v", first, sum, total)
		}
	}
}

func TestAProcessHasMeanOneWhilePodsDifferAsMuchAsWasLearned(t *testing.T) {
	p := plan(0.9)
	for _, width := range []float64{0.02, 0.1, 0.3} {
		nulls := seqtest.BiasWeights(p.Nulls, width)
		sum := 0.0
		for i, r := range append([]float64{1}, p.Nulls...) {
			walk(p, nulls, r, steps, func(probability float64, logs []float64) {
				sum += math.Exp(nulls[i]) * probability * math.Exp(logs[len(logs)-1])
			})
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("width %v: mean %v", width, sum)
		}
	}
}

func TestLookingOftenDoesNotAddToTheError(t *testing.T) {
	const alpha = 0.05
	ever := 0.0
	walk(plan(0.9), nil, 1, steps, func(probability float64, logs []float64) {
		for _, l := range logs {
			if l >= -math.Log(alpha) {
				ever += probability
				return
			}
		}
	})
	if ever > alpha || ever == 0 {
		t.Errorf("ever %v at level %v", ever, alpha)
	}
}

func TestAProcessThatHasSeenNothingSaysNothing(t *testing.T) {
	if l := new(seqtest.Process).LogE(nil); l != 0 {
		t.Error(l)
	}
}

func TestTheOrderWithinALookDoesNotMatter(t *testing.T) {
	p := plan(0.9)
	nulls := seqtest.BiasWeights(p.Nulls, 0.1)
	r := rand.New(rand.NewPCG(1, 2))
	batches := make([]seqtest.Batch, 20)
	for i := range batches {
		batches[i] = p.Batch(plain, seqtest.Counts{Trials: 100, Events: float64(r.IntN(9))}, seqtest.Counts{Trials: 900, Events: float64(r.IntN(20))})
	}
	var one, other seqtest.Process
	for _, b := range batches {
		one.Observe(p, 0, nulls, b)
	}
	for _, i := range r.Perm(len(batches)) {
		other.Observe(p, 0, nulls, batches[i])
	}
	if a, b := one.LogE(nulls), other.LogE(nulls); math.Abs(a-b) > 1e-9 {
		t.Errorf("%v and %v", a, b)
	}
}

func TestTroubleThatBeginsLateIsFoundSoonerWithStakesOnIt(t *testing.T) {
	found := func(first float64) int {
		p, so := plan(first), seqtest.Process{}
		for i := range 1000 {
			failures := 1.0
			if i >= 120 {
				failures = 5
			}
			so.Observe(p, float64(i)*10, nil, p.Batch(plain, seqtest.Counts{Trials: 100, Events: failures}, seqtest.Counts{Trials: 900, Events: 9}))
			if so.LogE(nil) >= math.Log(100) {
				return i - 119
			}
		}
		return 1000
	}
	with, without := found(0.9), found(1)
	if with > 5 || without < 2*with {
		t.Errorf("%d batches with, %d without", with, without)
	}
}

func TestEvidenceForACandidateTurnsSoon(t *testing.T) {
	p := seqtest.Plan{Mixture: seqtest.Better(0.02, 0.5, 0.93, 14), Stakes: seqtest.Stakes{First: 1}}
	e := seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: 1, Absolute: 0.005}}
	var so seqtest.Process
	for i := range 1000 {
		so.Observe(p, float64(i)*10, nil, p.Batch(e, seqtest.Counts{Trials: 100, Events: 0.5}, seqtest.Counts{Trials: 900, Events: 4.5}))
		so.Cap(5)
		if l := so.LogE(nil); l > 5+1e-9 {
			t.Fatalf("%v after %d batches", l, i)
		}
	}
	if l := so.LogE(nil); l < 5-1e-9 {
		t.Fatalf("a good candidate has only %v", l)
	}
	for i := range 10 {
		so.Observe(p, 10000+float64(i)*10, nil, p.Batch(e, seqtest.Counts{Trials: 100, Events: 3}, seqtest.Counts{Trials: 900, Events: 4.5}))
		so.Cap(5)
	}
	if l := so.LogE(nil); l > 0 {
		t.Errorf("after 100 s of six times the failures it still has %v", l)
	}
}

func TestAProcessSurvivesJSONExactly(t *testing.T) {
	p := plan(0.9)
	nulls := seqtest.BiasWeights(p.Nulls, 0.07)
	var so seqtest.Process
	for i := range 100 {
		so.Observe(p, float64(i)*10, nulls, p.Batch(plain, seqtest.Counts{Trials: 97, Events: 3}, seqtest.Counts{Trials: 911, Events: 10}))
		data, err := json.Marshal(so)
		if err != nil {
			t.Fatal(err)
		}
		var back seqtest.Process
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(so, back) {
			t.Fatalf("%+v came back as %+v, %v", so, back, err)
		}
	}
}

func TestAverageOfEvidenceIsNeverWorseThanBonferroni(t *testing.T) {
	weights := []float64{0.5, 0.3, 0.2}
	for _, logs := range [][]float64{{0, 0, 0}, {-1e9, 20, -3}, {700, 800, 1e15}, {math.Inf(-1), 1, 2}} {
		got, best := seqtest.LogAverage(logs, weights), math.Inf(-1)
		for i := range logs {
			best = max(best, logs[i]+math.Log(weights[i]))
		}
		if !(got >= best && got <= best+math.Log(3)) {
			t.Errorf("%v: %v, the best alone %v", logs, got, best)
		}
	}
}

func TestMixturesAreWhatTheyAreSaidToBe(t *testing.T) {
	for _, m := range []seqtest.Mixture{worseMixture, slowerMixture, seqtest.Better(0.02, 0.5, 0.93, 14)} {
		if l := seqtest.LogSum(m.LogWeights); math.Abs(l) > 1e-12 {
			t.Errorf("weights sum to e^%v", l)
		}
		for i := 1; i < len(m.Ratios); i++ {
			if m.Ratios[i] <= m.Ratios[i-1] || (m.Ratios[i] > 1) != (m.Ratios[0] > 1) {
				t.Errorf("ratios %v", m.Ratios)
			}
		}
	}
	for _, width := range []float64{1e-6, 0.05, 0.5, 10} {
		if l := seqtest.LogSum(seqtest.BiasWeights(plan(1).Nulls, width)); math.Abs(l) > 1e-12 {
			t.Errorf("width %v: weights sum to e^%v", width, l)
		}
	}
	if seqtest.BiasWeights(plan(1).Nulls, 0) != nil {
		t.Error("width 0 allows for something")
	}
}

func FuzzAProcessStaysFinite(f *testing.F) {
	f.Add(100.0, 1.0, 900.0, 10.0, 0.0, 0.1)
	f.Add(1e15, 1e15, 1.0, 0.0, 1e9, 3.0)
	f.Fuzz(func(t *testing.T, nc, xc, ns, xs, from, width float64) {
		c, s := seqtest.Counts{Trials: nc, Events: xc}, seqtest.Counts{Trials: ns, Events: xs}
		if c.Check() != nil || s.Check() != nil || !(from >= 0 && from < 1e12 && width >= 0 && width < 1e6) {
			t.Skip()
		}
		p := plan(0.9)
		nulls := seqtest.BiasWeights(p.Nulls, width)
		var so seqtest.Process
		for i := range 3 {
			so.Observe(p, from*float64(i), nulls, p.Batch(plain, c, s))
			so.Observe(p, from*float64(i), nulls, p.Batch(plain, s, c))
		}
		if l := so.LogE(nulls); math.IsNaN(l) || math.IsInf(l, 0) {
			t.Fatalf("%v: %+v", l, so)
		}
		if _, err := json.Marshal(so); err != nil {
			t.Fatal(err)
		}
	})
}

// One batch of shares, the arms set apart by a ratio of odds that is drawn from what was learned.
func TestSharesAllowForPodsThatDifferWhateverTheGuess(t *testing.T) {
	m := slowerMixture
	p := seqtest.Plan{Mixture: m, Nulls: seqtest.BiasRatios(m), Stakes: seqtest.Stakes{First: 0.9, Half: 1200}}
	for _, n := range [][2]int{{1, 5}, {15, 40}, {40, 15}} {
		for _, ps := range []float64{0.05, 0.3, 0.5} {
			for _, wrong := range []float64{0.6, 1, 1.6} {
				for _, width := range []float64{0.05, 0.2} {
					nulls := seqtest.BiasWeights(p.Nulls, width)
					e, sum, production := seqtest.Shares{Guess: wrong * ps}, 0.0, binomial(n[1], ps)
					var candidate []outcomes
					for _, r := range append([]float64{1}, p.Nulls...) {
						candidate = append(candidate, binomial(n[0], r*ps/(1+(r-1)*ps)))
					}
					for xc := range n[0] + 1 {
						for xs := range n[1] + 1 {
							var so seqtest.Process
							so.Observe(p, 0, nulls, p.Batch(e, seqtest.Counts{Trials: float64(n[0]), Events: float64(xc)}, seqtest.Counts{Trials: float64(n[1]), Events: float64(xs)}))
							evidence := math.Exp(so.LogE(nulls))
							for i := range candidate {
								sum += math.Exp(nulls[i]) * candidate[i][xc] * production[xs] * evidence
							}
						}
					}
					if tooLarge(sum) || sum < 0.5 {
						t.Errorf("%v trials, share %v, guess %v of it, width %v: mean %v", n, ps, wrong, width, sum)
					}
				}
			}
		}
	}
}

func TestNoAmountOfDataProvesWhatPodsExplain(t *testing.T) {
	for name, m := range map[string]seqtest.Mixture{"rates": worseMixture, "shares": slowerMixture} {
		p := seqtest.Plan{Mixture: m, Nulls: seqtest.BiasRatios(m), Stakes: seqtest.Stakes{First: 0.9, Half: 1200}}
		const width, n, share = 0.2, 1e7, 0.3
		nulls := seqtest.BiasWeights(p.Nulls, width)
		for bias := 1.0; bias < math.Exp(2*width); bias += 0.003 {
			e, rate := seqtest.Evidence(plain), bias*share
			if name == "shares" {
				e, rate = seqtest.Shares{Guess: share}, bias*share/(1+(bias-1)*share)
			}
			var so seqtest.Process
			so.Observe(p, 0, nulls, p.Batch(e, seqtest.Counts{Trials: n, Events: rate * n}, seqtest.Counts{Trials: 9 * n, Events: share * 9 * n}))
			if l := so.LogE(nulls); l > math.Log(100) {
				t.Errorf("%s: pods that differ by %.3f prove a fault: %v", name, bias, l)
			}
		}
	}
}

package seqtest

import (
	"cmp"
	"math"
	"slices"
)

// PodCounts are the counts of one pod in one batch.
type PodCounts struct {
	Pod string
	Counts
}

// BlockLengths, in seconds, are the spans over which pods are compared with each other.
var BlockLengths = [...]float64{60, 180, 360}

// Dispersion learns, from production, how much more the pods of one version differ than chance alone would have them. What all
// pods share, such as an incident, cancels: a pod is compared with the others in the same span.
//
// It is plain data, which survives a round trip through JSON exactly. The zero value has seen nothing.
type Dispersion struct {
	Blocks [len(BlockLengths)]block `json:"blocks"`
	// Pods holds, for each pod, what it did and what it would have done as one of many, all time.
	Pods map[string]observed `json:"pods,omitempty"`
}

// observed events beside those expected, and the variance that chance gives them.
type observed struct {
	Events   float64 `json:"events"`
	Expected float64 `json:"expected"`
	Variance float64 `json:"variance"`
}

// block is one length: the current span, and what the closed ones said.
type block struct {
	Start float64           `json:"start"`
	Pods  map[string]Counts `json:"pods,omitempty"`
	Sum   comparison        `json:"sum"`
}

// comparison is Pearson's χ² of pods less its mean under chance (Excess), what one unit of relative variance between them adds
// to it (Scale), its variance under chance (Noise), and its degrees of freedom.
type comparison struct {
	Excess  float64 `json:"excess"`
	Scale   float64 `json:"scale"`
	Noise   float64 `json:"noise"`
	Freedom float64 `json:"freedom"`
}

// MaxPods is how many pods are told apart; those after it, in order of appearance, are not learned from.
const MaxPods = 100

// Observe takes one arm's batch that begins at the time from, in seconds. A batch of an earlier span, which came late, counts
// with the current one. bernoulli says that there is at most one event a trial (see [Shares]); otherwise events are Poisson.
func (d *Dispersion) Observe(from float64, bernoulli bool, pods []PodCounts) {
	var all Counts
	for _, p := range pods {
		all = all.Plus(p.Counts)
	}
	if all.Trials <= 0 {
		return
	}
	if d.Pods == nil {
		d.Pods = map[string]observed{}
	}
	for _, p := range pods {
		o, known := d.Pods[p.Pod]
		if !known && len(d.Pods) >= MaxPods {
			continue
		}
		e := expect(p.Counts, all, bernoulli)
		d.Pods[p.Pod] = observed{o.Events + e.Events, o.Expected + e.Expected, o.Variance + e.Variance}
	}
	for i := range d.Blocks {
		d.Blocks[i].observe(BlockLengths[i], from, bernoulli, pods)
	}
}

// expect is what a pod would have done as one of many like it.
func expect(pod, all Counts, bernoulli bool) observed {
	o := observed{Events: pod.Events, Expected: all.Events * pod.Trials / all.Trials}
	o.Variance = o.Expected
	if bernoulli {
		o.Variance *= 1 - all.Rate()
	}
	return o
}

func (b *block) observe(length, from float64, bernoulli bool, pods []PodCounts) {
	if start := math.Floor(from/length) * length; b.Pods == nil || start > b.Start {
		b.close(bernoulli)
		b.Start, b.Pods = start, map[string]Counts{}
	}
	for _, p := range pods {
		c, known := b.Pods[p.Pod]
		if !known && len(b.Pods) >= MaxPods {
			continue
		}
		b.Pods[p.Pod] = c.Plus(p.Counts)
	}
}

// close learns from a span that is over.
func (b *block) close(bernoulli bool) {
	var all Counts
	for _, c := range b.Pods {
		all = all.Plus(c)
	}
	cells := make([]observed, 0, len(b.Pods))
	for _, c := range b.Pods {
		if c.Trials > 0 {
			cells = append(cells, expect(c, all, bernoulli))
		}
	}
	x := compare(cells)
	b.Sum.Excess += x.Excess
	b.Sum.Scale += x.Scale
	b.Sum.Noise += x.Noise
	b.Sum.Freedom += x.Freedom
}

// compare has the moments of χ² under chance from Haldane (1937), its growth with the variance between cells from DerSimonian
// and Laird (1986).
func compare(cells []observed) comparison {
	// The order of a map is random, and a sum of floats depends on its order: results are to be the same each time.
	slices.SortFunc(cells, func(a, b observed) int {
		return cmp.Or(cmp.Compare(a.Expected, b.Expected), cmp.Compare(a.Events, b.Events))
	})
	m, total, variance, chi2, squares, inverse := float64(len(cells)), 0.0, 0.0, 0.0, 0.0, 0.0
	for _, c := range cells {
		if c.Variance <= 0 {
			return comparison{} // no event, or nothing but events: no difference could show
		}
		total += c.Expected
		variance += c.Variance
		squares += c.Expected * c.Expected
		chi2 += (c.Events - c.Expected) * (c.Events - c.Expected) / c.Variance
		inverse += 1 / c.Expected
	}
	if m < 2 {
		return comparison{}
	}
	return comparison{
		Excess:  chi2 - (m - 1),
		Scale:   (total - squares/total) * total / variance,
		Noise:   max(0, 2*(m-1)+inverse-(m*m+2*m-2)/total),
		Freedom: m - 1,
	}
}

// doubt is how many standard errors a difference between pods must exceed: pods that differ by chance alone are to cost next
// to nothing.
const doubt = 2

// variance is the relative variance between pods that is seen beyond doubt.
func (c comparison) variance() float64 {
	if c.Scale <= 0 {
		return 0
	}
	return max(0, (c.Excess-doubt*math.Sqrt(c.Noise))/c.Scale)
}

// Factor is by how much counts are to be divided when a pod of the arm sees this many events a second: 1 or more, the worst of
// the block lengths. For [Shares], divide the events by the share of trials without one.
func (d *Dispersion) Factor(eventsPerSecond float64) float64 {
	worst := 1.0
	for i, b := range d.Blocks {
		worst = max(worst, 1+b.Sum.variance()*eventsPerSecond*BlockLengths[i])
	}
	return worst
}

// Learned says whether enough pods were seen to tell how they differ.
func (d *Dispersion) Learned() bool { return d.lasting().Freedom >= 2 }

func (d *Dispersion) lasting() comparison {
	cells := make([]observed, 0, len(d.Pods))
	for _, o := range d.Pods {
		cells = append(cells, o)
	}
	return compare(cells)
}

// Width is the standard deviation of the logarithm of the ratio of two arms of these (effective) numbers of pods, for pods
// that differ lastingly as production's do; 0 if they do not differ beyond doubt. It allows for having been learned from few
// pods, by Student's t.
func (d *Dispersion) Width(candidatePods, productionPods float64) float64 {
	x := d.lasting()
	if x.Scale <= 0 || candidatePods <= 0 || productionPods <= 0 {
		return 0
	}
	// What comes and goes within a minute is the business of Factor: it makes χ² larger without lasting.
	brief := 1.0
	if b := d.Blocks[0].Sum; b.Freedom > 0 {
		brief += b.variance() * b.Scale / b.Freedom
	}
	excess := x.Excess - (brief-1)*x.Freedom
	if excess <= doubt*brief*math.Sqrt(x.Noise) {
		return 0
	}
	return fewPods(x.Freedom) * math.Sqrt(excess/x.Scale*(1/candidatePods+1/productionPods))
}

// fewPods is how much wider Student's distribution is than the normal one at 99 %, for these degrees of freedom.
func fewPods(freedom float64) float64 {
	z := 2.5758
	exact := [...]float64{0, 63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250}
	if i := int(freedom); i < len(exact) {
		return exact[i] / z
	}
	return 1 + (z*z+1)/(4*freedom) + (5*z*z*z*z+16*z*z+3)/(96*freedom*freedom) // Abramowitz and Stegun 26.7.5
}

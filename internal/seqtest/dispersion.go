package seqtest

import (
	"math"
	"slices"
	"strings"
)

// PodCounts are the counts of one pod in one batch.
type PodCounts struct {
	Pod string `json:"pod"`
	Counts
}

// BlockLengths, in seconds, are the spans over which pods are compared with each other.
var BlockLengths = [...]float64{60, 180, 360}

// Dispersion learns, from production, how much more the pods of one version differ than chance alone would have them. What all
// pods share, such as an incident, cancels: a pod is compared with the others in the same minutes.
//
// It is plain data, which survives a round trip through JSON exactly. The zero value has seen nothing.
type Dispersion struct {
	// Blocks are the current spans of each of [BlockLengths] and what the closed ones said.
	Blocks [len(BlockLengths)]block `json:"blocks"`
	// Pods holds, by name, what each pod did and what it would have done as one of many, in all closed spans.
	Pods []podObserved `json:"pods,omitempty"`
	// Lasting is the relative variance between pods that lasts, 0 if there is none beyond doubt; Freedom are the degrees of freedom
	// that it was learned from. Both are as of the last closed span.
	Lasting float64 `json:"lasting"`
	Freedom float64 `json:"freedom"`
}

// observed events beside those expected, and the variance that chance gives them.
type observed struct {
	Events   float64 `json:"events"`
	Expected float64 `json:"expected"`
	Variance float64 `json:"variance"`
}

type podObserved struct {
	Pod string `json:"pod"`
	observed
}

// block is one length: the current span, by the pods' names, and the sum of what the closed ones said.
type block struct {
	Start float64     `json:"start"`
	Pods  []PodCounts `json:"pods,omitempty"`
	Sum   comparison  `json:"sum"`
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
	if first := &d.Blocks[0]; first.over(BlockLengths[0], from) {
		if len(first.Pods) > 0 {
			d.close(first.Start, bernoulli)
		}
		first.begin(BlockLengths[0], from)
	}
	for i, p := range pods {
		if p.Trials > 0 {
			d.Blocks[0].add(i, p)
		}
	}
}

// close learns from the shortest span, which is over, and adds it to the longer ones.
func (d *Dispersion) close(start float64, bernoulli bool) {
	first := &d.Blocks[0]
	first.learn(bernoulli, d.level)
	for i := 1; i < len(d.Blocks); i++ {
		b := &d.Blocks[i]
		if b.over(BlockLengths[i], start) {
			b.learn(bernoulli, d.level)
			b.begin(BlockLengths[i], start)
		}
		for k, p := range first.Pods {
			b.add(k, p)
		}
	}
	all := first.all()
	for k, p := range first.Pods {
		at, known := place(d.Pods, k, p.Pod, func(o podObserved) string { return o.Pod })
		if !known {
			if len(d.Pods) >= MaxPods {
				continue
			}
			d.Pods = slices.Insert(d.Pods, at, podObserved{Pod: p.Pod})
		}
		o, e := &d.Pods[at], expect(p.Counts, all, bernoulli)
		o.Events, o.Expected, o.Variance = o.Events+e.Events, o.Expected+e.Expected, o.Variance+e.Variance
	}
	d.last()
}

// place finds a pod in a list that is sorted by name, or where it belongs; most often that is where one guesses.
func place[T any](list []T, guess int, pod string, name func(T) string) (at int, found bool) {
	if guess < len(list) && name(list[guess]) == pod {
		return guess, true
	}
	return slices.BinarySearchFunc(list, pod, func(x T, pod string) int { return strings.Compare(name(x), pod) })
}

// last works out what lasts.
func (d *Dispersion) last() {
	cells := make([]observed, 0, len(d.Pods))
	for _, o := range d.Pods {
		cells = append(cells, o.observed)
	}
	x := compare(cells)
	// What comes and goes within a minute is the business of Factor: it makes χ² larger without lasting.
	brief := 1.0
	if b := d.Blocks[0].Sum; b.Freedom > 0 {
		brief += b.variance(1) * b.Scale / b.Freedom
	}
	d.Lasting, d.Freedom = x.variance(brief), x.Freedom
}

// level is how many times as many events as the others a pod lastingly has, as far as pods differ beyond doubt: what lasts is
// not to be taken for what comes and goes.
func (d *Dispersion) level(guess int, pod string) float64 {
	if d.Lasting <= 0 {
		return 1
	}
	at, known := place(d.Pods, guess, pod, func(o podObserved) string { return o.Pod })
	if !known || d.Pods[at].Expected <= 0 {
		return 1
	}
	o := d.Pods[at]
	trust := d.Lasting / (d.Lasting + o.Variance/o.Expected/o.Expected)
	return 1 + trust*(o.Events/o.Expected-1)
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

// over says that a time is in a later span.
func (b *block) over(length, at float64) bool {
	return b.Pods == nil || math.Floor(at/length)*length > b.Start
}

func (b *block) begin(length, at float64) {
	if b.Pods == nil {
		b.Pods = []PodCounts{}
	}
	b.Pods = b.Pods[:0]
	b.Start = math.Floor(at/length) * length
}

// add counts what a pod did. guess is where it may be in the list.
func (b *block) add(guess int, p PodCounts) {
	at, known := place(b.Pods, guess, p.Pod, func(p PodCounts) string { return p.Pod })
	switch {
	case known:
		b.Pods[at].Counts = b.Pods[at].Plus(p.Counts)
	case len(b.Pods) < MaxPods:
		b.Pods = slices.Insert(b.Pods, at, p)
	}
}

func (b *block) all() Counts {
	var all Counts
	for _, p := range b.Pods {
		all = all.Plus(p.Counts)
	}
	return all
}

// learn from a span that is over.
func (b *block) learn(bernoulli bool, level func(guess int, pod string) float64) {
	all, levelled := b.all(), 0.0
	levels, cells := make([]float64, len(b.Pods)), make([]observed, len(b.Pods))
	for i, p := range b.Pods {
		levels[i] = level(i, p.Pod)
		levelled += p.Trials * levels[i]
	}
	for i, p := range b.Pods {
		cells[i] = expect(p.Counts, all, bernoulli)
		l := levels[i] * all.Trials / levelled
		cells[i].Expected *= l
		cells[i].Variance *= l
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

// doubt is how many standard errors a difference between pods must exceed to be one: pods that differ by chance alone are to
// cost next to nothing.
const doubt = 2

// variance is the relative variance between pods beyond what chance gives them times already; 0 if it is not beyond doubt.
func (c comparison) variance(times float64) float64 {
	excess := c.Excess - (times-1)*c.Freedom
	if c.Scale <= 0 || excess <= doubt*times*math.Sqrt(c.Noise) {
		return 0
	}
	return excess / c.Scale
}

// Factor is by how much counts are to be divided when a pod of the arm sees this many events a second: 1 or more, the worst of
// the block lengths. Bursts have longer tails than independent events of the same variance, so what surely exceeds chance counts
// twice. For [Shares], divide the events by the share of trials without one.
func (d *Dispersion) Factor(eventsPerSecond float64) float64 {
	const tails = 2
	worst := 0.0
	for i, b := range d.Blocks {
		if b.Sum.Scale > 0 {
			surely := (b.Sum.Excess - doubt*math.Sqrt(b.Sum.Noise)) / b.Sum.Scale
			worst = max(worst, surely*eventsPerSecond*BlockLengths[i])
		}
	}
	return 1 + tails*worst
}

// Learned says whether enough pods were seen to tell how they differ.
func (d *Dispersion) Learned() bool { return d.Freedom >= 2 }

// Width is the standard deviation of the logarithm of the ratio of two arms' rates, for arms of these (effective) numbers of pods
// that differ lastingly as production's do; 0 if they do not differ beyond doubt. It allows for having been learned from few
// pods, by Student's t. For [Shares], whose ratios are of odds, divide it by the share of trials without an event.
func (d *Dispersion) Width(candidatePods, productionPods float64) float64 {
	if candidatePods <= 0 || productionPods <= 0 {
		return 0
	}
	return fewPods(d.Freedom) * math.Sqrt(d.Lasting*(1/candidatePods+1/productionPods))
}

// fewPods is how much wider Student's distribution is than the normal one at 99 %, for these degrees of freedom.
func fewPods(freedom float64) float64 {
	z := 2.5758
	exact := [...]float64{0, 63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250}
	if i := max(0, int(freedom)); i < len(exact) {
		return exact[i] / z
	}
	return 1 + (z*z+1)/(4*freedom) + (5*z*z*z*z+16*z*z+3)/(96*freedom*freedom) // Abramowitz and Stegun 26.7.5
}

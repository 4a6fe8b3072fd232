package exec

import (
	"math"

	"github.com/slipway-cd/slipway/kql/aggregate"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/group"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// maxSeries bounds the points of one series, as Kusto does.
const maxSeries = 1048576

// MakeSeries aggregates rows into bins along an axis and gives each group's bins as an array.
type MakeSeries struct {
	Input    Node
	Keys     []Expr
	Axis     Expr // int, long, real, datetime or timespan
	From, To Expr // or nil: from the least value on, to the greatest one inclusive; To itself is beyond the end
	Step     Expr
	Aggs     []*Aggregate // of one result each
	Defaults []column.Value
	NonEmpty bool           // without keys and rows: one series of defaults
	Fields   []column.Field // keys, aggregates, the axis
	At       syntax.Pos
}

// Columns implements Node.
func (n *MakeSeries) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *MakeSeries) Open(r *Run) (Stream, error) {
	return later(r, func() (*Batch, error) { return n.run(r) }), nil
}

// axis is where bins begin; whole numbers and ticks as int64, reals as float64.
type axis struct {
	at         syntax.Pos
	t          column.Type
	from, step int64
	fromR      float64
	stepR      float64
	bins       int
}

func (n *MakeSeries) run(r *Run) (*Batch, error) {
	in, err := r.collect(n.Input)
	if err != nil {
		return nil, err
	}
	at, err := n.Axis.Eval(r, in)
	if err != nil {
		return nil, err
	}
	ax, err := n.axis(r, at, in.Rows)
	if err != nil {
		return nil, err
	}
	rows, bins := ax.place(at, in.Rows)
	in = in.gather(rows)
	keys := make([]*column.Vector, len(n.Keys), len(n.Keys)+1)
	types := make([]column.Type, len(n.Keys), len(n.Keys)+1)
	for i, k := range n.Keys {
		if keys[i], err = k.Eval(r, in); err != nil {
			return nil, err
		}
		types[i] = k.Type()
	}
	points := group.NewRows(append(types, column.Long)...)
	nums := points.Number(append(keys, column.NewInts(column.Long, bins, nil)), in.Rows, true)
	vectors := make([]*column.Vector, len(n.Aggs))
	for i, a := range n.Aggs {
		if vectors[i], err = n.aggregate(r, a, in, nums, points.Len()); err != nil {
			return nil, err
		}
	}
	return n.arrays(r, ax, points, types, vectors)
}

func (n *MakeSeries) aggregate(r *Run, a *Aggregate, in *Batch, nums []uint32, points int) (*column.Vector, error) {
	var acc aggregate.Accumulator
	acc, err := a.open()
	if err != nil {
		return nil, err
	}
	if err := a.add(r, acc, in, nums, points); err != nil {
		return nil, err
	}
	out, err := acc.Results(points)
	if err != nil {
		return nil, a.placed(err)
	}
	return out[0], r.keep(acc.Size())
}

// arrays lays the points of each series out, and fills the gaps.
func (n *MakeSeries) arrays(r *Run, ax *axis, points *group.Rows, types []column.Type, vectors []*column.Vector) (*Batch, error) {
	keys := make([]*column.Vector, len(types))
	for i := range types {
		keys[i] = points.Keys(i)
	}
	series := group.NewRows(types...)
	of := append([]uint32(nil), series.Number(keys, points.Len(), true)...)
	count := series.Len()
	if len(types) == 0 && points.Len() == 0 && !n.NonEmpty {
		count = 0
	}
	if err := r.keep(int64(count+1) * int64(ax.bins) * int64(len(n.Aggs)+1) * 16); err != nil {
		return nil, err
	}
	cols := make([]*column.Vector, 0, len(n.Fields))
	for i := range types {
		cols = append(cols, series.Keys(i))
	}
	bin := points.Keys(len(types))
	for i, v := range vectors {
		lists := make([]column.Value, count)
		for s := range lists {
			list := make([]column.Value, ax.bins)
			for k := range list {
				list[k] = n.Defaults[i]
			}
			lists[s] = list
		}
		for p, s := range of {
			lists[s].([]column.Value)[bin.Int(p)] = v.Value(p)
		}
		cols = append(cols, column.NewDynamics(lists))
	}
	return full(count, append(cols, column.NewConst(column.Dynamic, ax.values(), count))...), nil
}

func (n *MakeSeries) axis(r *Run, at *column.Vector, rows int) (*axis, error) {
	ax := &axis{at: n.At, t: at.Type()}
	ends := make([]column.Value, 3)
	for i, e := range []Expr{n.From, n.To, n.Step} {
		if e == nil {
			continue
		}
		v, err := r.Scalar(e)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, syntax.Errorf(n.At, "", "from, to and step of make-series must not be null")
		}
		ends[i] = v
	}
	if ax.t == column.Real {
		return ax, ax.setReal(ends, at, rows)
	}
	return ax, ax.setWhole(ends, at, rows)
}

func (ax *axis) setWhole(ends []column.Value, at *column.Vector, rows int) error {
	ax.step = whole(ends[2])
	if ax.step <= 0 {
		return syntax.Errorf(ax.at, "", "the step of make-series must be greater than 0")
	}
	least, most, some := int64(0), int64(0), false
	for i := range rows {
		if at.Null(i) {
			continue
		}
		x := at.Int(i)
		if !some || x < least {
			least = x
		}
		if !some || x > most {
			most = x
		}
		some = true
	}
	if ends[0] != nil {
		ax.from = whole(ends[0])
	} else if some {
		ax.from = least - ((least%ax.step)+ax.step)%ax.step
	}
	to := most + 1
	if ends[1] != nil {
		to = whole(ends[1])
	} else if !some {
		to = ax.from
	}
	if to <= ax.from {
		return nil
	}
	span := uint64(to) - uint64(ax.from)
	return ax.setBins(float64((span-1)/uint64(ax.step)) + 1)
}

func (ax *axis) setReal(ends []column.Value, at *column.Vector, rows int) error {
	ax.stepR = ends[2].(float64)
	if !(ax.stepR > 0) {
		return syntax.Errorf(ax.at, "", "the step of make-series must be greater than 0")
	}
	least, most, some := 0.0, 0.0, false
	for i := range rows {
		x := at.Real(i)
		if at.Null(i) || x != x {
			continue
		}
		if !some || x < least {
			least = x
		}
		if !some || x > most {
			most = x
		}
		some = true
	}
	if ends[0] != nil {
		ax.fromR = ends[0].(float64)
	} else if some {
		ax.fromR = math.Floor(least/ax.stepR) * ax.stepR
	}
	bins := 0.0
	switch {
	case ends[1] != nil:
		bins = math.Ceil((ends[1].(float64) - ax.fromR) / ax.stepR)
	case some:
		bins = math.Floor((most-ax.fromR)/ax.stepR) + 1
	}
	return ax.setBins(bins)
}

func (ax *axis) setBins(bins float64) error {
	if !(bins <= maxSeries) {
		return syntax.Errorf(ax.at, "", "a series of %g points is longer than %d: take a larger step", bins, maxSeries)
	}
	ax.bins = int(max(bins, 0))
	return nil
}

// place gives the rows that are on the axis, and the bin of each.
func (ax *axis) place(at *column.Vector, n int) (rows []int32, bins []int64) {
	for i := range n {
		if at.Null(i) {
			continue
		}
		bin := int64(-1)
		if ax.t == column.Real {
			if f := math.Floor((at.Real(i) - ax.fromR) / ax.stepR); f >= 0 && f < float64(ax.bins) {
				bin = int64(f)
			}
		} else if x := at.Int(i); x >= ax.from {
			if k := (uint64(x) - uint64(ax.from)) / uint64(ax.step); k < uint64(ax.bins) {
				bin = int64(k)
			}
		}
		if bin >= 0 {
			rows, bins = append(rows, int32(i)), append(bins, bin)
		}
	}
	return rows, bins
}

// values are the beginnings of the bins.
func (ax *axis) values() column.Value {
	list := make([]column.Value, ax.bins)
	for k := range list {
		x := ax.from + int64(k)*ax.step
		switch ax.t {
		case column.Real:
			list[k] = ax.fromR + float64(k)*ax.stepR
		case column.DateTime:
			list[k] = column.Ticks(x)
		case column.TimeSpan:
			list[k] = column.Span(x)
		default:
			list[k] = x
		}
	}
	return list
}

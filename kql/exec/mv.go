package exec

import (
	"math"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/group"
)

// Expansion makes rows of the elements of dynamics. Several dynamics are expanded side by side, the shorter ones filled up with nulls.
// Null gives one row, an empty array or bag none.
type Expansion struct {
	Items []ExpansionItem
	Array bool   // an entry of a bag becomes [name, value] instead of a bag of one
	Limit *Count // rows per row, or nil
}

// ExpansionItem is a dynamic and the type that its elements are read as.
type ExpansionItem struct {
	X  Expr
	To column.Type
}

// expanded is the result for a batch: the row that each new row comes from, its position there, and the elements.
type expanded struct {
	rows  []int32
	index []int64
	items [][]column.Value
}

func (x *Expansion) limit(r *Run) (int64, error) {
	if x.Limit == nil {
		return math.MaxInt32, nil
	}
	return x.Limit.eval(r)
}

// expansion is how far a batch has come.
type expansion struct {
	batch   *Batch
	vectors []*column.Vector
	row     int
}

func (x *Expansion) start(r *Run, b *Batch) (*expansion, error) {
	e := &expansion{batch: b}
	for _, item := range x.Items {
		v, err := item.X.Eval(r, b)
		if err != nil {
			return nil, err
		}
		e.vectors = append(e.vectors, v)
	}
	return e, nil
}

// next expands rows until there are enough for a batch; nil when the rows are through.
func (x *Expansion) next(e *expansion, most int64) *expanded {
	out := &expanded{items: make([][]column.Value, len(x.Items))}
	lists := make([][]column.Value, len(x.Items))
	for ; e.row < e.batch.Rows && len(out.rows) < batchRows; e.row++ {
		longest := 0
		for i, v := range e.vectors {
			lists[i] = x.elements(v.Value(e.row))
			longest = max(longest, len(lists[i]))
		}
		longest = int(min(int64(longest), most))
		for k := range longest {
			out.rows, out.index = append(out.rows, int32(e.row)), append(out.index, int64(k))
			for i, list := range lists {
				var element column.Value
				if k < len(list) {
					element = list[k]
				}
				out.items[i] = append(out.items[i], element)
			}
		}
	}
	if len(out.rows) == 0 {
		return nil
	}
	return out
}

func (x *Expansion) elements(v column.Value) []column.Value {
	switch v := v.(type) {
	case []column.Value:
		return v
	case *column.Bag:
		list := make([]column.Value, v.Len())
		for i := range list {
			name, value := v.At(i)
			if x.Array {
				list[i] = []column.Value{name, value}
				continue
			}
			one := &column.Bag{}
			one.Set(name, value)
			list[i] = one
		}
		return list
	}
	return []column.Value{v}
}

// vector reads elements as a type: one that is of another type is null; texts are read as datetimes, timespans and guids, as JSON
// writes them.
func (x *Expansion) vector(i int, items []column.Value) *column.Vector {
	t := x.Items[i].To
	if t == column.Dynamic {
		return column.NewDynamics(items)
	}
	out := make([]column.Value, len(items))
	for k, e := range items {
		out[k] = Cast(t, e)
	}
	return column.FromValues(t, out)
}

// Cast reads an element of a dynamic as a type; null if it is none. Only numbers become other numbers, and texts what JSON writes as
// text.
func Cast(t column.Type, e column.Value) column.Value {
	switch t {
	case column.Dynamic:
		return e
	case column.String:
		switch e := e.(type) {
		case nil:
			return nil
		case string:
			return e
		case column.Ticks:
			return e.String()
		case column.Span:
			return e.String()
		case column.UUID:
			return e.String()
		}
		return string(column.AppendJSON(nil, e))
	case column.Int, column.Long:
		var n int64
		switch e := e.(type) {
		case int64:
			n = e
		case float64:
			if n = int64(e); float64(n) != e {
				return nil
			}
		default:
			return nil
		}
		if t == column.Int && n != int64(int32(n)) {
			return nil
		}
		return n
	case column.Real:
		switch e := e.(type) {
		case int64:
			return float64(e)
		case float64:
			return e
		}
		return nil
	}
	if text, ok := e.(string); ok {
		switch t {
		case column.DateTime:
			if d, ok := column.ParseDateTime(text); ok {
				return d
			}
		case column.TimeSpan:
			if s, ok := column.ParseSpan(text); ok {
				return s
			}
		case column.GUID:
			if u, ok := column.ParseUUID(text); ok {
				return u
			}
		}
		return nil
	}
	if column.TypeOf(e) == t {
		return e
	}
	return nil
}

// Where a column of an MvExpand comes from if not from a column of the input (0 and up).
const (
	FromIndex = -1 // the position of the element
	FromItem  = -2 // FromItem-i is item i
)

// MvExpand is mv-expand.
type MvExpand struct {
	Expansion
	Input  Node
	Fields []column.Field
	From   []int
}

// Columns implements Node.
func (n *MvExpand) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *MvExpand) Open(r *Run) (Stream, error) {
	most, err := n.limit(r)
	if err != nil {
		return nil, err
	}
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	var e *expansion
	return func() (*Batch, error) {
		for {
			if err := r.check(); err != nil {
				return nil, err
			}
			if e == nil {
				b, err := next()
				if err != nil || b == nil {
					return nil, err
				}
				if e, err = n.start(r, b); err != nil {
					return nil, err
				}
			}
			if x := n.next(e, most); x != nil {
				return n.output(e.batch, x), nil
			}
			e = nil
		}
	}, nil
}

func (n *MvExpand) output(b *Batch, x *expanded) *Batch {
	return lazy(len(x.rows), len(n.From), func(i int) *column.Vector {
		switch from := n.From[i]; {
		case from >= 0:
			return b.Col(from).Gather(x.rows)
		case from == FromIndex:
			return column.NewInts(column.Long, x.index, nil)
		default:
			return n.vector(FromItem-from, x.items[FromItem-from])
		}
	})
}

// Feed is where the subquery of an Apply reads its rows.
type Feed struct{ Fields []column.Field }

// Columns implements Node.
func (n *Feed) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *Feed) Open(r *Run) (Stream, error) { return pieces(r, r.feeds[n]), nil }

// Apply runs a subquery over parts of its input, one part after the other: the rows that mv-apply makes of each row, or those with the
// same key of partition.
type Apply struct {
	Input  Node // the rows of a part come after one another
	Part   Expr // long: rows with the same number are a part
	Feed   *Feed
	Sub    Node
	Fields []column.Field
	From   []int // columns of the result: of the subquery from 0 up, of the part's first row as -1-i
}

// Columns implements Node.
func (n *Apply) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *Apply) Open(r *Run) (Stream, error) {
	var all *Batch
	var part *column.Vector
	var sub Stream
	from, to := 0, 0
	return func() (*Batch, error) {
		if all == nil {
			b, err := r.collect(n.Input)
			if err != nil {
				return nil, err
			}
			if part, err = n.Part.Eval(r, b); err != nil {
				return nil, err
			}
			all = b
		}
		for {
			if sub == nil {
				if to == all.Rows {
					return nil, nil
				}
				for from = to; to < all.Rows && part.Int(to) == part.Int(from); to++ {
				}
				r.feeds[n.Feed] = all.slice(from, to)
				var err error
				if sub, err = n.Sub.Open(r); err != nil {
					return nil, err
				}
			}
			b, err := sub()
			if err != nil {
				return nil, err
			}
			if b == nil {
				sub = nil
				continue
			}
			row := from
			return lazy(b.Rows, len(n.From), func(i int) *column.Vector {
				if k := n.From[i]; k >= 0 {
					return b.Col(k)
				}
				return all.Col(-1-n.From[i]).Repeat(row, b.Rows)
			}), nil
		}
	}, nil
}

// GroupNumber numbers the distinct values of an expression. It needs all rows in one batch.
type GroupNumber struct{ X Expr }

// Type implements Expr.
func (e *GroupNumber) Type() column.Type { return column.Long }

// Eval implements Expr.
func (e *GroupNumber) Eval(r *Run, b *Batch) (*column.Vector, error) {
	v, err := e.X.Eval(r, b)
	if err != nil {
		return nil, err
	}
	nums := make([]uint32, b.Rows)
	group.NewValues(e.X.Type()).Number(v, nums, true)
	out := make([]int64, b.Rows)
	for i, num := range nums {
		out[i] = int64(num)
	}
	return column.NewInts(column.Long, out, nil), nil
}

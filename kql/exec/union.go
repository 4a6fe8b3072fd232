package exec

import "github.com/slipway-cd/slipway/kql/column"

// Union is the rows of several tables, one after the other.
type Union struct {
	Inputs []UnionInput
	Fields []column.Field
}

// UnionInput says where the columns of a union come from: From[i] is the input's column for column i, or -1 for nulls. Source, for a
// column with From[i] of FromSource, is the name of the input.
type UnionInput struct {
	Node   Node
	From   []int
	Source string
}

// Where a column of a union comes from if not from a column of the input.
const (
	FromNothing = -1
	FromSource  = -2
)

// Columns implements Node.
func (n *Union) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *Union) Open(r *Run) (Stream, error) {
	at := 0
	var next Stream
	return func() (*Batch, error) {
		for {
			if next == nil {
				if at == len(n.Inputs) {
					return nil, nil
				}
				var err error
				if next, err = n.Inputs[at].Node.Open(r); err != nil {
					return nil, err
				}
			}
			b, err := next()
			if err != nil {
				return nil, err
			}
			if b == nil {
				next = nil
				at++
				continue
			}
			return n.overlay(n.Inputs[at], b), nil
		}
	}, nil
}

func (n *Union) overlay(in UnionInput, b *Batch) *Batch {
	return lazy(b.Rows, len(n.Fields), func(i int) *column.Vector {
		switch from := in.From[i]; from {
		case FromNothing:
			return column.NewConst(n.Fields[i].Type, nil, b.Rows)
		case FromSource:
			return column.NewConst(column.String, in.Source, b.Rows)
		default:
			return b.Col(from)
		}
	})
}

package exec

import "github.com/slipway-cd/slipway/kql/column"

// Pack makes a property bag of values in each row.
type Pack struct {
	Names     []string
	Values    []Expr
	SkipEmpty bool // leave nulls and empty texts out
}

// Type implements Expr.
func (e *Pack) Type() column.Type { return column.Dynamic }

// Eval implements Expr.
func (e *Pack) Eval(r *Run, b *Batch) (*column.Vector, error) {
	vectors := make([]*column.Vector, len(e.Values))
	for i, x := range e.Values {
		v, err := x.Eval(r, b)
		if err != nil {
			return nil, err
		}
		vectors[i] = v
	}
	bags := make([]column.Value, b.Rows)
	for row := range bags {
		bag := &column.Bag{}
		for i, v := range vectors {
			x := v.Value(row)
			if e.SkipEmpty && (x == nil || x == "") {
				continue
			}
			bag.Set(e.Names[i], x)
		}
		bags[row] = bag
	}
	return column.NewDynamics(bags), nil
}

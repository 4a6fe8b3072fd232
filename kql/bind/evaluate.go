package bind

import (
	"cmp"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/kql/aggregate"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/scalar"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// evaluate binds a plugin. The columns of pivot and bag_unpack depend on the data: their input is computed at once.
func (b *binder) evaluate(rel *relation, op *syntax.Evaluate, s *scope) (*relation, error) {
	switch op.Call.Func {
	case "pivot":
		return b.pivot(rel, op.Call, s)
	case "bag_unpack":
		return b.bagUnpack(rel, op.Call, s)
	}
	return nil, syntax.Errorf(op.Call.At, codePlugin, "the plugin “%s” is not supported; pivot and bag_unpack are", op.Call.Func)
}

// now computes a table while binding; without a run that is too early.
func (b *binder) now(rel *relation) (*column.Table, error) {
	if b.run == nil {
		return nil, ErrLate
	}
	return b.run.Table(rel.visible())
}

func (b *binder) columnArg(rel *relation, c *syntax.Call, i int) (int, error) {
	n, ok := c.Args[i].X.(*syntax.Name)
	if !ok {
		return 0, syntax.Errorf(c.Args[i].At, codeColumnName, "this argument of %s() is a column", c.Func)
	}
	at := rel.index(n.Name)
	if at < 0 {
		return 0, unknown(n.At, codeColumn, "column", n.Name, rel.names())
	}
	return at, nil
}

// pivot makes a column of each value of a column: pivot(column, aggregate, columns to group by).
func (b *binder) pivot(rel *relation, c *syntax.Call, s *scope) (*relation, error) {
	if len(c.Args) == 0 {
		return nil, arity(c.At, c.Func, 1, -1, 0)
	}
	at, err := b.columnArg(rel, c, 0)
	if err != nil {
		return nil, err
	}
	name := func(n string) syntax.Named { return syntax.Named{At: c.At, X: &syntax.Name{At: c.At, Name: n}} }
	var by []syntax.Named
	used := map[string]bool{rel.cols[at].Name: true}
	agg := syntax.Named{At: c.At, Names: []string{"(value)"}, X: &syntax.Call{At: c.At, Func: "count"}}
	keys := c.Args[1:]
	if len(keys) > 0 {
		if x, ok := keys[0].X.(*syntax.Call); ok {
			agg.X = x
			keys = keys[1:]
			for _, a := range x.Args {
				if n, ok := a.X.(*syntax.Name); ok {
					used[n.Name] = true
				}
			}
		}
	}
	for i := range keys {
		k, err := b.columnArg(rel, c, len(c.Args)-len(keys)+i)
		if err != nil {
			return nil, err
		}
		by = append(by, name(rel.cols[k].Name))
	}
	if len(keys) == 0 {
		for _, col := range rel.cols {
			if !used[col.Name] {
				by = append(by, name(col.Name))
			}
		}
	}
	pivot := syntax.Named{At: c.At, Names: []string{"(pivot)"}, X: name(rel.cols[at].Name).X}
	cells, err := b.summarize(rel, &syntax.Summarize{Op: syntax.Op{At: c.At}, Aggs: []syntax.Named{agg}, By: append(by, pivot), HasBy: true}, s)
	if err != nil {
		return nil, err
	}
	t, err := b.now(cells)
	if err != nil {
		return nil, err
	}
	empty, err := b.emptyCell(agg.X.(*syntax.Call), t.Columns[len(t.Columns)-1].Type)
	if err != nil {
		return nil, err
	}
	out, err := pivoted(t, empty)
	if err != nil {
		return nil, syntax.Errorf(c.At, "", "pivot(): %v", err)
	}
	return plain(&exec.Rows{Table: out}), nil
}

// emptyCell is the value of a combination without rows: that of counts and sums of nothing, null of other aggregates.
func (b *binder) emptyCell(x *syntax.Call, t column.Type) (column.Value, error) {
	f, ok := aggregate.Lookup(x.Func)
	if !ok || t == column.Dynamic {
		return nil, nil
	}
	if strings.HasPrefix(f.Name, "count") || strings.HasPrefix(f.Name, "dcount") || strings.HasPrefix(f.Name, "sum") {
		return exec.Cast(t, int64(0)), nil
	}
	return nil, nil
}

func (b *binder) bagUnpack(rel *relation, c *syntax.Call, s *scope) (*relation, error) {
	if len(c.Args) == 0 || len(c.Args) > 4 {
		return nil, arity(c.At, c.Func, 1, 4, len(c.Args))
	}
	at, err := b.columnArg(rel, c, 0)
	if err != nil {
		return nil, err
	}
	if rel.cols[at].Type != column.Dynamic {
		return nil, syntax.Errorf(c.Args[0].At, codeWantedType, "bag_unpack() takes a dynamic, not a %s", rel.cols[at].Type)
	}
	u := unpacking{bag: at, conflict: "error", ignored: map[string]bool{}}
	for i, a := range c.Args[1:] {
		v, err := b.scalar(a.X, s, nil)
		if err != nil {
			return nil, err
		}
		k, ok := v.(*exec.Const)
		if !ok {
			return nil, syntax.Errorf(a.At, codeArgument, "this argument of bag_unpack() is a constant")
		}
		which := a.Name
		if which == "" {
			which = []string{"OutputColumnPrefix", "columnsConflict", "ignoredProperties"}[i]
		}
		switch x := k.Value.(type) {
		case string:
			switch {
			case which == "OutputColumnPrefix":
				u.prefix = x
			case which == "columnsConflict" && (x == "error" || x == "replace_source" || x == "keep_source"):
				u.conflict = x
			default:
				return nil, syntax.Errorf(a.At, codeArgument, "bag_unpack() does not know %s='%s'", which, x)
			}
		case []column.Value:
			for _, name := range x {
				if text, ok := name.(string); ok {
					u.ignored[text] = true
				}
			}
		default:
			return nil, syntax.Errorf(a.At, codeArgument, "bag_unpack() does not know this argument")
		}
	}
	t, err := b.now(rel)
	if err != nil {
		return nil, err
	}
	out, err := u.unpack(t)
	if err != nil {
		return nil, syntax.Errorf(c.At, "", "bag_unpack(): %v", err)
	}
	return plain(&exec.Rows{Table: out}), nil
}

// texts gives the rows of a vector as tostring() does.
func texts(v *column.Vector) ([]string, error) {
	f, _ := scalar.Lookup("tostring")
	out, err := f.Eval(&scalar.Context{}, []*column.Vector{v}, v.Len())
	if err != nil {
		return nil, err
	}
	all := make([]string, v.Len())
	for i := range all {
		all[i] = out.Str(i)
	}
	return all, nil
}

// reduce groups texts by their shape: what has a digit in it becomes a star. Kusto finds patterns by a method of its own, so that its
// groups may differ.
func (b *binder) reduce(rel *relation, op *syntax.Reduce, s *scope) (*relation, error) {
	x, err := b.text(op.X.X, rel, s)
	if err != nil {
		return nil, err
	}
	return plain(exec.NewReduce(rel.node, x)), nil
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, n)
	}
	slices.SortFunc(names, cmp.Compare[string])
	return names
}

package bind

import (
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// output is a computed column.
type output struct {
	at    syntax.Pos
	name  string
	given bool // by the query
	x     exec.Expr
}

// outputs binds one item of a list; some give several columns.
func (e *exprs) outputs(item syntax.Named) ([]output, error) {
	if multi, ok, err := e.multiple(item); ok || err != nil {
		return multi, err
	}
	if len(item.Names) > 1 {
		return nil, syntax.Errorf(item.At, "", "this expression gives one column, not %d", len(item.Names))
	}
	v, err := e.bind(item.X)
	if err != nil {
		return nil, err
	}
	o := output{at: item.At, x: v}
	if len(item.Names) == 1 {
		o.name, o.given = item.Names[0], true
	} else {
		o.name = e.columnName(item.X)
	}
	return []output{o}, nil
}

// columnName is nameOf, where the name of column_ifexists depends on the columns there are.
func (e *exprs) columnName(x syntax.Expr) string {
	name := nameOf(x)
	if maybe, ok := strings.CutPrefix(name, "?"); ok {
		if e.row != nil && e.row.index(maybe) >= 0 {
			return maybe
		}
		return ""
	}
	return name
}

func (b *binder) extend(rel *relation, items []syntax.Named, s *scope) (*relation, error) {
	if len(items) == 0 {
		return rel, nil
	}
	e := &exprs{b: b, scope: s, row: rel, window: rel.serialized}
	var fields []column.Field
	var xs []exec.Expr
	for i, c := range rel.cols {
		fields = append(fields, c.Field)
		xs = append(xs, rel.column(i))
	}
	made := newNamer() // by this extend: none may be made twice
	taken := newNamer(rel.names()...)
	for _, item := range items {
		outs, err := e.outputs(item)
		if err != nil {
			return nil, err
		}
		for _, o := range outs {
			name := o.name
			if o.given {
				if err := made.declare(o.at, name); err != nil {
					return nil, err
				}
			} else {
				if name == "" || made.used[name] {
					name = taken.auto(name)
				}
				made.used[name] = true
			}
			taken.used[name] = true
			f := column.Field{Name: name, Type: o.x.Type()}
			if i := slices.IndexFunc(fields, func(f column.Field) bool { return f.Name == name }); i >= 0 {
				fields[i], xs[i] = f, o.x
			} else {
				fields, xs = append(fields, f), append(xs, o.x)
			}
		}
	}
	return rel.project(fields, xs, e.windowed), nil
}

func (b *binder) project(rel *relation, items []syntax.Named, s *scope) (*relation, error) {
	e := &exprs{b: b, scope: s, row: rel, window: rel.serialized}
	var fields []column.Field
	var xs []exec.Expr
	n := newNamer()
	for _, item := range items {
		if w, ok := item.X.(*syntax.Wildcard); ok && w.Pattern == "*" && len(item.Names) == 0 {
			for i, c := range rel.cols {
				if !n.used[c.Name] {
					fields, xs = append(fields, column.Field{Name: n.auto(c.Name), Type: c.Type}), append(xs, rel.column(i))
				}
			}
			continue
		}
		outs, err := e.outputs(item)
		if err != nil {
			return nil, err
		}
		for _, o := range outs {
			name := o.name
			_, isColumn := item.X.(*syntax.Name)
			if o.given || isColumn {
				if err := n.declare(o.at, name); err != nil {
					return nil, err
				}
			} else {
				name = n.auto(name)
			}
			fields, xs = append(fields, column.Field{Name: name, Type: o.x.Type()}), append(xs, o.x)
		}
	}
	return rel.project(fields, xs, e.windowed), nil
}

// selectColumns is project-away, project-keep and project-reorder.
func (b *binder) selectColumns(rel *relation, op *syntax.Select) (*relation, error) {
	listed := make([]bool, len(rel.cols))
	var order []int
	for _, item := range op.Items {
		var hits []int
		for i, c := range rel.cols {
			if matches(item.Pattern, c.Name) {
				hits = append(hits, i)
			}
		}
		if len(hits) == 0 && !strings.Contains(item.Pattern, "*") {
			return nil, unknown(item.At, codeColumn, "column", item.Pattern, rel.names())
		}
		order = append(order, sortNames(rel, hits, item.Order, listed)...)
		for _, i := range hits {
			listed[i] = true
		}
	}
	out := *rel
	out.cols = nil
	switch op.Kind {
	case "reorder":
		for _, i := range order {
			out.cols = append(out.cols, rel.cols[i])
		}
		fallthrough
	case "away":
		for i, c := range rel.cols {
			if !listed[i] {
				out.cols = append(out.cols, c)
			}
		}
	default:
		for i, c := range rel.cols {
			if listed[i] {
				out.cols = append(out.cols, c)
			}
		}
	}
	return &out, nil
}

// sortNames orders the columns of a pattern of project-reorder, those left out that an earlier one has placed.
func sortNames(rel *relation, hits []int, order string, placed []bool) []int {
	var fresh []int
	for _, i := range hits {
		if !placed[i] {
			fresh = append(fresh, i)
		}
	}
	compare := strings.Compare
	if strings.HasPrefix(order, "granny-") {
		compare = natural
	}
	switch {
	case strings.HasSuffix(order, "asc"):
		slices.SortStableFunc(fresh, func(a, b int) int { return compare(rel.cols[a].Name, rel.cols[b].Name) })
	case strings.HasSuffix(order, "desc"):
		slices.SortStableFunc(fresh, func(a, b int) int { return compare(rel.cols[b].Name, rel.cols[a].Name) })
	}
	return fresh
}

// natural compares with numbers as numbers: a2 before a10.
func natural(a, b string) int {
	for a != "" && b != "" {
		na, nb := digitsOf(a), digitsOf(b)
		if na > 0 && nb > 0 {
			x, y := strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func digitsOf(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// matches tells whether a name fits a pattern with asterisks.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	if !strings.HasPrefix(name, parts[0]) {
		return false
	}
	name = name[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return strings.HasSuffix(name, last)
}

func (b *binder) rename(rel *relation, op *syntax.Rename) (*relation, error) {
	out := *rel
	out.cols = slices.Clone(rel.cols)
	for _, p := range op.Pairs {
		old, ok := p.X.(*syntax.Name)
		if !ok || len(p.Names) != 1 {
			return nil, syntax.Errorf(p.At, "", "project-rename takes new = old")
		}
		i := rel.index(old.Name)
		if i < 0 {
			return nil, unknown(old.At, codeColumn, "column", old.Name, rel.names())
		}
		out.cols[i].Name = p.Names[0]
	}
	for _, p := range op.Pairs {
		if same := slices.IndexFunc(out.cols, func(c boundColumn) bool { return c.Name == p.Names[0] }); slices.ContainsFunc(out.cols[same+1:], func(c boundColumn) bool { return c.Name == p.Names[0] }) {
			return nil, syntax.Errorf(p.At, codeDuplicate, "a column “%s” is already there", p.Names[0])
		}
	}
	return &out, nil
}

func getSchema(rel *relation) *relation {
	t := &column.Table{Rows: len(rel.cols), Columns: []column.Field{
		{Name: "ColumnName", Type: column.String}, {Name: "ColumnOrdinal", Type: column.Long},
		{Name: "DataType", Type: column.String}, {Name: "ColumnType", Type: column.String},
	}}
	var names, data, types []string
	var ordinals []int64
	for i, c := range rel.cols {
		names, ordinals = append(names, c.Name), append(ordinals, int64(i))
		data, types = append(data, dotNet[c.Type]), append(types, c.Type.String())
	}
	t.Vectors = []*column.Vector{column.NewStrings(names), column.NewInts(column.Long, ordinals, nil), column.NewStrings(data), column.NewStrings(types)}
	return plain(&exec.Rows{Table: t})
}

// dotNet is what getschema calls the types of data.
var dotNet = map[column.Type]string{
	column.Bool: "System.SByte", column.Int: "System.Int32", column.Long: "System.Int64", column.Real: "System.Double",
	column.Decimal: "System.Data.SqlTypes.SqlDecimal", column.String: "System.String", column.DateTime: "System.DateTime",
	column.TimeSpan: "System.TimeSpan", column.GUID: "System.Guid", column.Dynamic: "System.Object",
}

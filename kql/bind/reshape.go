package bind

import (
	"fmt"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/group"
)

// maxPivot bounds the columns that data can make.
const maxPivot = 10_000

// pivoted turns rows of keys, a name and a value into one row per combination of keys, with a column per name.
func pivoted(t *column.Table, empty column.Value) (*column.Table, error) {
	keys := len(t.Columns) - 2
	names, err := texts(t.Vectors[keys])
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	if len(set) > maxPivot {
		return nil, fmt.Errorf("%d different values would be as many columns; at most %d are made", len(set), maxPivot)
	}
	types := make([]column.Type, keys)
	for i := range types {
		types[i] = t.Columns[i].Type
	}
	rows := group.NewRows(types...)
	nums := rows.Number(t.Vectors[:keys], t.Rows, true)
	count := rows.Len()
	if t.Rows == 0 {
		count = 0
	}
	out := &column.Table{Rows: count}
	used := newNamer()
	for i := range types {
		out.Columns = append(out.Columns, column.Field{Name: used.auto(t.Columns[i].Name), Type: types[i]})
		out.Vectors = append(out.Vectors, rows.Keys(i))
	}
	value := t.Vectors[keys+1]
	cells := map[string][]column.Value{}
	for n := range set {
		cells[n] = make([]column.Value, count)
		for i := range cells[n] {
			cells[n][i] = empty
		}
	}
	for i, n := range names {
		cells[n][nums[i]] = value.Value(i)
	}
	for _, n := range sortedNames(set) {
		out.Columns = append(out.Columns, column.Field{Name: used.auto(n), Type: value.Type()})
		out.Vectors = append(out.Vectors, column.FromValues(value.Type(), cells[n]))
	}
	return out, nil
}

// unpacking is bag_unpack.
type unpacking struct {
	bag      int
	prefix   string
	conflict string
	ignored  map[string]bool
}

// unpack makes a column of each name in the bags, in the order of the names.
func (u *unpacking) unpack(t *column.Table) (*column.Table, error) {
	set := map[string]bool{}
	bags := make([]*column.Bag, t.Rows)
	for i := range bags {
		bag, ok := t.Vectors[u.bag].Dyn(i).(*column.Bag)
		if !ok {
			continue
		}
		bags[i] = bag
		for k := range bag.Len() {
			if name, _ := bag.At(k); !u.ignored[name] {
				set[name] = true
			}
		}
	}
	if len(set) > maxPivot {
		return nil, fmt.Errorf("%d different names would be as many columns; at most %d are made", len(set), maxPivot)
	}
	out := &column.Table{Rows: t.Rows}
	for i, c := range t.Columns {
		name := c.Name
		if i == u.bag || u.conflict == "replace_source" && set[name[min(len(u.prefix), len(name)):]] && u.prefix+name[min(len(u.prefix), len(name)):] == name {
			continue
		}
		out.Columns, out.Vectors = append(out.Columns, c), append(out.Vectors, t.Vectors[i])
	}
	for _, name := range sortedNames(set) {
		as := u.prefix + name
		if out.Index(as) >= 0 {
			if u.conflict == "error" {
				return nil, fmt.Errorf("a column “%s” is already there; see columnsConflict", as)
			}
			continue // keep_source
		}
		v := unpacked(bags, name)
		out.Columns, out.Vectors = append(out.Columns, column.Field{Name: as, Type: v.Type()}), append(out.Vectors, v)
	}
	return out, nil
}

// unpacked is the column of a name: of the type that all its values have, real if they are whole and other numbers, else dynamic.
func unpacked(bags []*column.Bag, name string) *column.Vector {
	values := make([]column.Value, len(bags))
	t := column.Invalid
	for i, bag := range bags {
		if bag == nil {
			continue
		}
		v, _ := bag.Get(name)
		values[i] = v
		of := column.TypeOf(v)
		switch {
		case v == nil || of == t:
		case t == column.Invalid:
			t = of
		case t.Numeric() && of.Numeric() && t != column.Decimal && of != column.Decimal:
			t = column.Real
		default:
			t = column.Dynamic
		}
	}
	if t == column.Invalid {
		t = column.Dynamic
	}
	for i, v := range values {
		if v != nil {
			values[i] = exec.Cast(t, v)
		}
	}
	return column.FromValues(t, values)
}

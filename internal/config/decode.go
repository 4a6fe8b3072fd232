package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// The decoder walks the YAML tree and the Go types together. The library's own strict decoder stops at the first
// problem; this one goes on, and remembers where each value stands so that validation can point at it.

func (d *document) decodeConfig(body ast.Node, c *Config) {
	ast.Walk(anchorCollector(d.anchors), body)
	if _, ok := d.resolve(body, "").(*ast.MappingNode); !ok {
		d.problem(nodePosition(body), "", "the file must be a mapping (apiVersion: …, service: …), but is %s", d.describe(body))
		return
	}
	d.keyAt[""] = nodePosition(body)
	d.decode(body, reflect.ValueOf(c).Elem(), "")
}

// decode sets v from the node and records what does not fit.
func (d *document) decode(n ast.Node, v reflect.Value, path string) {
	if !d.spend(n, path) {
		return
	}
	if _, known := d.at[path]; !known {
		d.at[path] = nodePosition(n)
	}
	resolved := d.resolve(n, path)
	if resolved == nil {
		return
	}
	if v.CanAddr() {
		_, mapping := resolved.(*ast.MappingNode)
		if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && !(mapping && v.Kind() == reflect.Struct) {
			d.decodeText(resolved, u, path)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.decode(resolved, v.Elem(), path)
	case reflect.Struct:
		d.decodeStruct(resolved, v, path)
	case reflect.Map:
		d.decodeMap(resolved, v, path)
	case reflect.Slice:
		d.decodeSlice(resolved, v, path)
	case reflect.Interface:
		if value := d.decodeAny(resolved, path); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	case reflect.String:
		if s, ok := d.text(resolved, path); ok {
			v.SetString(d.expandEnv(s, path))
		}
	case reflect.Int:
		i, ok := resolved.(*ast.IntegerNode)
		if !ok {
			d.mismatch(resolved, path, "a whole number")
			return
		}
		value, ok := integer(i).(int64)
		if !ok || v.OverflowInt(value) || value > math.MaxInt32 || value < math.MinInt32 {
			d.problem(nodePosition(resolved), path, "%s is %s, which is out of range", path, i.GetToken().Value)
			return
		}
		v.SetInt(value)
	case reflect.Float64:
		switch number := resolved.(type) {
		case *ast.FloatNode:
			v.SetFloat(number.Value)
		case *ast.IntegerNode:
			whole, err := strconv.ParseFloat(number.GetToken().Value, 64)
			if err != nil {
				d.mismatch(resolved, path, "a number")
				return
			}
			v.SetFloat(whole)
		default:
			d.mismatch(resolved, path, "a number")
		}
	case reflect.Bool:
		b, ok := resolved.(*ast.BoolNode)
		if !ok {
			d.mismatch(resolved, path, "true or false")
			return
		}
		v.SetBool(b.Value)
	}
}

func (d *document) decodeText(n ast.Node, u encoding.TextUnmarshaler, path string) {
	var s string
	switch v := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		s = n.GetToken().Value
	case *ast.StringNode:
		s = d.expandEnv(v.Value, path)
		if s == "" && v.Value != "" || d.later[path] { // the unset variable is a problem already
			return
		}
	default:
		d.mismatch(n, path, wanted(u))
		return
	}
	if err := u.UnmarshalText([]byte(s)); err != nil {
		d.problem(nodePosition(n), path, "%s %s", path, err.Error())
	}
}

// wanted says what a text must be, with an example.
func wanted(u encoding.TextUnmarshaler) string {
	switch u.(type) {
	case *Percent:
		return `a percentage such as "0.5%"`
	case *Tolerance:
		return `a tolerance such as "0.5%" or "1.25x"`
	case *Vault:
		return "the URL of a Key Vault, or a mapping with file"
	}
	return `a duration such as "30s"`
}

// field is a key that a struct knows.
type field struct {
	name     string
	index    int
	required bool
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "-" || name == "" {
			continue
		}
		fields = append(fields, field{name, i, options != "omitempty"})
	}
	return fields
}

func (d *document) decodeStruct(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.mismatch(n, path, "a mapping")
		return
	}
	var names []string
	byName := map[string]field{}
	for _, f := range fields {
		names, byName[f.name] = append(names, f.name), f
	}
	present, meant := map[string]bool{}, map[string]bool{}
	for _, e := range d.entries(m, path) {
		f, known := byName[e.key]
		if !known {
			meant[nearest(e.key, names)] = true
			d.problem(e.at, join(path, e.key), "unknown key %q %s%s", e.key, d.in(path), didYouMean(e.key, names, "keys known here"))
			continue
		}
		present[e.key] = true
		d.keyAt[join(path, e.key)] = e.at
		d.decode(e.value, v.Field(f.index), join(path, e.key))
	}
	var missing []string
	for _, f := range fields {
		if f.required && !present[f.name] && !meant[f.name] { // a misspelt key is one problem, not two
			missing = append(missing, f.name)
		}
	}
	switch {
	case len(missing) == 1:
		d.problem(d.place(path), join(path, missing[0]), "%q is missing %s", missing[0], d.in(path))
	case len(missing) > 1:
		d.problem(d.place(path), path, "missing %s: %s", d.in(path), strings.Join(missing, ", "))
	}
}

func (d *document) decodeMap(n ast.Node, v reflect.Value, path string) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.mismatch(n, path, "a mapping")
		return
	}
	made := reflect.MakeMap(v.Type())
	for _, e := range d.entries(m, path) {
		at := join(path, e.key)
		d.keyAt[at] = e.at
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, item, at)
		made.SetMapIndex(reflect.ValueOf(e.key), item)
	}
	v.Set(made)
}

func (d *document) decodeSlice(n ast.Node, v reflect.Value, path string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mismatch(n, path, "a list")
		return
	}
	made := reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values))
	for i, item := range s.Values {
		d.decode(item, made.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(made)
}

// decodeAny is for chart values, which may be anything that JSON can say.
func (d *document) decodeAny(n ast.Node, path string) any {
	if !d.spend(n, path) {
		return nil
	}
	switch v := d.resolve(n, path).(type) {
	case *ast.MappingNode:
		m := map[string]any{}
		for _, e := range d.entries(v, path) {
			d.keyAt[join(path, e.key)] = e.at
			m[e.key] = d.decodeAny(e.value, join(path, e.key))
		}
		return m
	case *ast.SequenceNode:
		list := make([]any, len(v.Values))
		for i, item := range v.Values {
			list[i] = d.decodeAny(item, fmt.Sprintf("%s[%d]", path, i))
		}
		return list
	case *ast.IntegerNode:
		return integer(v)
	case *ast.FloatNode:
		return v.Value
	case *ast.BoolNode:
		return v.Value
	case *ast.StringNode:
		d.keepRefs(v.Value, nodePosition(v), path)
		return v.Value
	case *ast.LiteralNode:
		d.keepRefs(v.Value.Value, nodePosition(v), path)
		return v.Value.Value
	case *ast.InfinityNode, *ast.NanNode:
		d.problem(nodePosition(v), path, "%s is not a finite number, which JSON and so Helm cannot hold", path)
	}
	return nil
}

// text is the string of a node; other scalars are refused with what to write instead.
func (d *document) text(n ast.Node, path string) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	}
	d.mismatch(n, path, "text")
	return "", false
}

func (d *document) mismatch(n ast.Node, path, want string) {
	at, hint := nodePosition(n), ""
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		if want == "text" {
			hint = "; put it in quotes: " + strconv.Quote(n.GetToken().Value)
		}
	case *ast.NullNode:
		at = d.place(path) // nothing stands nowhere: point at its key
		if want == "a mapping" {
			hint = "; write {} for its defaults"
		}
	}
	d.problem(at, path, "%s must be %s, but is %s%s", d.where(path), want, d.describe(n), hint)
}

func shorten(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *document) where(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func (d *document) in(path string) string {
	if path == "" {
		return "at the top level"
	}
	return "in " + path
}

// place is where to point for a path: its key, or else its value, or else the nearest parent's.
func (d *document) place(path string) position {
	for {
		if at, ok := d.keyAt[path]; ok {
			return at
		}
		if at, ok := d.at[path]; ok {
			return at
		}
		i := max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['))
		if i < 0 {
			return d.keyAt[""]
		}
		path = path[:i]
	}
}

// valuePlace is where the value of a path stands, or else its place.
func (d *document) valuePlace(path string) position {
	if at, ok := d.at[path]; ok {
		return at
	}
	return d.place(path)
}

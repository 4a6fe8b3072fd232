package bind

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/scalar"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// text binds the expression that parse and parse-kv take apart.
func (b *binder) text(x syntax.Expr, rel *relation, s *scope) (exec.Expr, error) {
	e := &exprs{b: b, scope: s, row: rel}
	v, err := e.bind(x)
	if err != nil {
		return nil, err
	}
	switch v.Type() {
	case column.String:
		return v, nil
	case column.Dynamic:
		return e.convert(x.Pos(), v, column.String)
	}
	return nil, syntax.Errorf(syntax.Start(x), codeTypes, "only a string can be parsed, not a %s", v.Type())
}

// beside lays new columns over those of a relation: in the place of one of the same name, or behind. From is as in exec.Parse.
func (r *relation) beside(fields []column.Field) (out []column.Field, from []int, cols []boundColumn, ingested int) {
	for _, c := range r.cols {
		cols = append(cols, boundColumn{Field: c.Field, at: len(out)})
		out, from = append(out, c.Field), append(from, c.at)
	}
	for k, f := range fields {
		at := r.index(f.Name)
		if at < 0 {
			cols = append(cols, boundColumn{Field: f, at: len(out)})
			out, from = append(out, f), append(from, -1-k)
			continue
		}
		cols[at].Field, out[at], from[at] = f, f, -1-k
	}
	ingested = -1
	if r.ingested >= 0 {
		ingested = len(out)
		out, from = append(out, column.Field{Name: IngestedAt, Type: column.DateTime}), append(from, r.ingested)
	}
	return out, from, cols, ingested
}

func (b *binder) parse(rel *relation, op *syntax.Parse, s *scope) (*relation, error) {
	x, err := b.text(op.X, rel, s)
	if err != nil {
		return nil, err
	}
	node := &exec.Parse{Input: rel.node, X: x, Relaxed: op.Kind == "relaxed", Where: op.Where}
	pattern, parts, err := parsePattern(op)
	if err != nil {
		return nil, err
	}
	if node.Regex, err = regexp.Compile(pattern); err != nil {
		return nil, syntax.Errorf(op.At, "", "the pattern of parse is no regular expression: %v", err)
	}
	names := newNamer()
	var fields []column.Field
	for i, p := range parts {
		if err := names.declare(p.At, p.Name); err != nil {
			return nil, err
		}
		fields = append(fields, column.Field{Name: p.Name, Type: p.Type})
		read, err := reader(p.Type)
		if err != nil {
			return nil, err
		}
		node.Parts = append(node.Parts, exec.ParsePart{Group: node.Regex.SubexpIndex(groupName(i)), Type: p.Type, Read: read})
	}
	out := &relation{node: node, serialized: rel.serialized, name: rel.name}
	node.Fields, node.From, out.cols, out.ingested = rel.beside(fields)
	return out, nil
}

func groupName(i int) string { return fmt.Sprintf("slipway_%d", i) }

// parsePattern writes a pattern as one regular expression over the whole text, with a named group for each column. A star and a text
// column take as little as they can; with the kind regex the texts are expressions themselves, with the flags that were given.
func parsePattern(op *syntax.Parse) (string, []syntax.ParsePart, error) {
	regex := op.Kind == "regex"
	flags := "s"
	if regex {
		flags = op.Flags
		if strings.Trim(flags, "imsU") != "" {
			return "", nil, syntax.Errorf(op.At, "", "the flags of parse are i, m, s and U, not “%s”", flags)
		}
	}
	var p strings.Builder
	if flags != "" {
		p.WriteString("(?" + flags + ")")
	}
	p.WriteString(`\A`)
	var parts []syntax.ParsePart
	for i, part := range op.Pattern {
		any := ".*?"
		if i == len(op.Pattern)-1 {
			any = ".*"
		}
		switch {
		case part.Star:
			p.WriteString(any)
		case part.Name == "" && regex:
			p.WriteString("(?:" + part.Text + ")")
		case part.Name == "":
			p.WriteString(regexp.QuoteMeta(part.Text))
		default:
			if i > 0 && op.Pattern[i-1].Name != "" {
				return "", nil, syntax.Errorf(part.At, codeAfterText, "a text or * must be between the columns “%s” and “%s”", op.Pattern[i-1].Name, part.Name)
			}
			group := any
			if op.Kind != "relaxed" {
				switch part.Type {
				case column.Int, column.Long:
					group = `-?\d+`
				case column.Real, column.Decimal:
					group = `[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`
				}
			}
			p.WriteString("(?P<" + groupName(len(parts)) + ">" + group + ")")
			parts = append(parts, part)
		}
	}
	p.WriteString(`\z`)
	return p.String(), parts, nil
}

// reader gives how a text is read as a type, as tolong(), todatetime() … do.
func reader(t column.Type) (func(string) column.Value, error) {
	if t == column.String {
		return func(s string) column.Value { return s }, nil
	}
	name := castName(t)
	f, ok := scalar.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("internal: no function %s", name)
	}
	return func(s string) column.Value {
		v, err := f.Eval(&scalar.Context{}, []*column.Vector{column.NewStrings([]string{s})}, 1)
		if err != nil {
			return nil
		}
		return v.Value(0)
	}, nil
}

func (b *binder) parseKV(rel *relation, op *syntax.ParseKV, s *scope) (*relation, error) {
	x, err := b.text(op.X, rel, s)
	if err != nil {
		return nil, err
	}
	options := map[string]string{}
	for _, o := range op.Options {
		l, ok := o.X.(*syntax.Literal)
		text, isText := "", false
		if ok {
			text, isText = l.Value.(string)
		}
		switch o.Name {
		case "pair_delimiter", "kv_delimiter", "quote":
		default:
			return nil, syntax.Errorf(o.At, "", "the option “%s” of parse-kv is not supported", o.Name)
		}
		if !isText || text == "" {
			return nil, syntax.Errorf(o.At, "", "the option “%s” of parse-kv is a text", o.Name)
		}
		options[o.Name] = text
	}
	pair, kv, quote := options["pair_delimiter"], options["kv_delimiter"], options["quote"]
	if pair == "" || kv == "" {
		return nil, syntax.Errorf(op.At, "", "parse-kv without pair_delimiter and kv_delimiter is not supported")
	}
	node := &exec.ParseKV{Input: rel.node, X: x, Split: func(text string) map[string]string { return splitPairs(text, pair, kv, quote) }}
	var fields []column.Field
	names := newNamer()
	for _, c := range op.Columns {
		if err := names.declare(c.At, c.Name); err != nil {
			return nil, err
		}
		read, err := reader(c.Type)
		if err != nil {
			return nil, err
		}
		fields = append(fields, column.Field{Name: c.Name, Type: c.Type})
		node.Keys = append(node.Keys, exec.ParseKey{Name: c.Name, Type: c.Type, Read: read})
	}
	out := &relation{node: node, serialized: rel.serialized, name: rel.name}
	node.Fields, node.From, out.cols, out.ingested = rel.beside(fields)
	return out, nil
}

// splitPairs takes a text of key and value pairs apart; of a key that comes twice the first value stays.
func splitPairs(text, pair, kv, quote string) map[string]string {
	pairs := map[string]string{}
	for text != "" {
		key, rest, ok := strings.Cut(text, kv)
		if !ok {
			break
		}
		if at := strings.LastIndex(key, pair); at >= 0 { // a part without a value
			key = key[at+len(pair):]
		}
		var value string
		if quote != "" && strings.HasPrefix(rest, quote) {
			value, rest, _ = strings.Cut(rest[len(quote):], quote)
			_, text, _ = strings.Cut(rest, pair)
		} else {
			value, text, _ = strings.Cut(rest, pair)
		}
		key = strings.TrimSpace(key)
		if _, ok := pairs[key]; !ok {
			pairs[key] = value
		}
	}
	return pairs
}

package syntax

import (
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

// operatorName reads a word with dashes in it, such as project-away.
func (p *parser) operatorName() (string, Pos, error) {
	t, err := p.name("an operator such as where, summarize or project")
	if err != nil {
		return "", t.pos, err
	}
	word, stop := t.text, t.end
	for p.is("-") && p.peek().pos.Offset == stop && p.ahead(1).kind == name && p.ahead(1).pos.Offset == p.peek().end {
		word += "-" + p.ahead(1).text
		stop = p.ahead(1).end
		p.at += 2
	}
	return word, t.pos, nil
}

// known are the operators that are read; unsupported are those of the language that are not.
var (
	known = []string{
		"as", "consume", "count", "distinct", "evaluate", "extend", "filter", "getschema", "invoke", "join", "limit", "lookup",
		"make-series", "mv-apply", "mv-expand", "mvexpand", "order", "parse", "parse-kv", "parse-where", "partition", "project", "project-away", "project-keep",
		"project-rename", "project-reorder", "reduce", "render", "sample", "sample-distinct", "serialize", "sort", "summarize",
		"take", "top", "union", "where",
	}
	unsupported = []string{
		"assert-schema", "execute-and-cache", "facet", "find", "fork", "graph-match", "graph-mark-components", "graph-shortest-paths",
		"graph-to-table", "macro-expand", "make-graph", "project-by-names", "scan", "search", "top-hitters", "top-nested",
	}
)

func (p *parser) operator() (Operator, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.shallower()
	word, at, err := p.operatorName()
	if err != nil {
		return nil, err
	}
	op := Op{At: at}
	switch word {
	case "where", "filter":
		x, err := p.or()
		return &Where{Op: op, Cond: x}, err
	case "extend":
		list, err := p.named()
		return &Extend{op, list}, err
	case "project":
		list, err := p.named()
		return &Project{op, list}, err
	case "project-away", "project-keep", "project-reorder":
		items, err := p.selectItems()
		return &Select{Op: op, Kind: strings.TrimPrefix(word, "project-"), Items: items}, err
	case "project-rename":
		list, err := p.named()
		return &Rename{op, list}, err
	case "summarize":
		return p.summarize(op)
	case "distinct":
		if p.is("*") && (p.ahead(1).is("|") || !p.ahead(1).is(",")) {
			p.at++
			return &Distinct{Op: op}, nil
		}
		list, err := p.named()
		return &Distinct{op, list}, err
	case "sort", "order":
		p.hints()
		if _, err := p.expect("by"); err != nil {
			return nil, err
		}
		keys, err := p.sortKeys()
		return &Sort{op, keys}, err
	case "top":
		return p.top(op)
	case "take", "limit", "sample":
		n, err := p.additive()
		return &Take{Op: op, N: n, Sample: word == "sample"}, err
	case "sample-distinct":
		n, err := p.additive()
		if err != nil {
			return nil, err
		}
		if _, err := p.expect("of"); err != nil {
			return nil, err
		}
		x, err := p.namedOne()
		return &SampleDistinct{Op: op, N: n, X: x}, err
	case "count":
		return &Count{op}, nil
	case "union":
		p.at--
		return p.union()
	case "join", "lookup":
		return p.join(op, word == "lookup")
	case "mv-expand", "mvexpand", "mv-apply":
		return p.mv(op, word == "mv-apply")
	case "make-series":
		return p.makeSeries(op)
	case "parse", "parse-where":
		return p.parse(op, word == "parse-where")
	case "parse-kv":
		return p.parseKV(op)
	case "serialize":
		var list []Named
		var err error
		if p.peek().kind == name {
			list, err = p.named()
		}
		return &Serialize{op, list}, err
	case "as":
		p.hints()
		n, err := p.name("a name after as")
		return &As{Op: op, Name: n.text}, err
	case "render":
		return p.render(op)
	case "getschema":
		return &GetSchema{op}, nil
	case "consume":
		return nil, Errorf(at, "", "the operator “consume” is not supported: it has no answer")
	case "evaluate":
		p.at--
		return p.evaluate()
	case "invoke":
		c, err := p.call()
		return &Invoke{op, c}, err
	case "reduce":
		return p.reduce(op)
	case "partition":
		return p.partition(op)
	}
	return nil, unknownOperator(at, word)
}

func unknownOperator(at Pos, word string) error {
	for _, u := range unsupported {
		if u == word {
			return Errorf(at, "", "the operator “%s” is not supported", word)
		}
	}
	for _, k := range known {
		if strings.HasPrefix(k, word) || strings.HasPrefix(word, k) {
			return Errorf(at, codeSyntax, "“%s” is no operator; did you mean “%s”?", word, k)
		}
	}
	return Errorf(at, codeSyntax, "“%s” is no operator", word)
}

// hints skips name=value options that direct an engine and change no answer: hint.strategy=shuffle, hint.materialized=true.
func (p *parser) hints() {
	for p.is("hint") && p.ahead(1).is(".") && p.ahead(3).is("=") {
		p.at += 5
	}
}

// option reads a word=value option and gives the value's text; false if it is not there.
func (p *parser) option(word string) (token, bool) {
	if !p.is(word) || !p.ahead(1).is("=") {
		return token{}, false
	}
	p.at += 2
	return p.next(), true
}

// named reads expressions with commas between them.
func (p *parser) named() ([]Named, error) {
	var list []Named
	for {
		n, err := p.namedOne()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.accept(",") {
			return list, nil
		}
	}
}

// namedOne reads expression, name = expression or (names) = expression.
func (p *parser) namedOne() (Named, error) {
	t := p.peek()
	n := Named{At: t.pos}
	if t.kind == name && p.ahead(1).is("=") {
		n.Names = []string{t.text}
		p.at += 2
	} else if names, ok := p.nameList(); ok {
		n.Names = names
	}
	x, err := p.or()
	n.X = x
	return n, err
}

// nameList reads (a, b) = if it is there.
func (p *parser) nameList() ([]string, bool) {
	if !p.is("(") {
		return nil, false
	}
	var names []string
	for i := 1; p.ahead(i).kind == name; i += 2 {
		names = append(names, p.ahead(i).text)
		if p.ahead(i + 1).is(",") {
			continue
		}
		if p.ahead(i+1).is(")") && p.ahead(i+2).is("=") {
			p.at += i + 3
			return names, true
		}
		break
	}
	return nil, false
}

// pattern reads a name, possibly with asterisks in it or at its ends.
func (p *parser) pattern(what string) (string, Pos, error) {
	t := p.peek()
	if t.kind == name && t.quoted {
		p.at++
		return t.text, t.pos, nil
	}
	text, stop := "", t.pos.Offset
	for {
		c := p.peek()
		if c.pos.Offset != stop || !(c.is("*") || c.kind == name && !c.quoted) {
			break
		}
		text += c.text
		stop = c.end
		p.at++
	}
	if text == "" {
		return "", t.pos, p.want(what)
	}
	return text, t.pos, nil
}

func (p *parser) selectItems() ([]SelectItem, error) {
	var items []SelectItem
	for {
		text, at, err := p.pattern("a column or a pattern such as a*")
		if err != nil {
			return nil, err
		}
		item := SelectItem{At: at, Pattern: text}
		for _, order := range []string{"asc", "desc", "granny-asc", "granny-desc"} {
			if head, tail, dashed := strings.Cut(order, "-"); p.is(head) && (!dashed || p.ahead(1).is("-") && p.ahead(2).is(tail)) {
				item.Order = order
				p.at++
				if dashed {
					p.at += 2
				}
				break
			}
		}
		items = append(items, item)
		if !p.accept(",") {
			return items, nil
		}
	}
}

func (p *parser) summarize(op Op) (Operator, error) {
	p.hints()
	s := &Summarize{Op: op}
	var err error
	if !p.is("by") {
		if s.Aggs, err = p.named(); err != nil {
			return nil, err
		}
	}
	if p.accept("by") {
		s.HasBy = true
		s.By, err = p.named()
	}
	return s, err
}

func (p *parser) sortKeys() ([]SortKey, error) {
	var keys []SortKey
	for {
		x, err := p.or()
		if err != nil {
			return nil, err
		}
		k := SortKey{X: x}
		if p.accept("asc") {
			k.Ascending = true
		} else {
			p.accept("desc")
		}
		k.NullsFirst = k.Ascending
		if p.accept("nulls") {
			switch {
			case p.accept("first"):
				k.NullsFirst = true
			case p.accept("last"):
				k.NullsFirst = false
			default:
				return nil, p.want("first or last")
			}
		}
		keys = append(keys, k)
		if !p.accept(",") {
			return keys, nil
		}
	}
}

func (p *parser) top(op Op) (Operator, error) {
	n, err := p.additive()
	if err != nil {
		return nil, err
	}
	if _, err := p.expect("by"); err != nil {
		return nil, err
	}
	keys, err := p.sortKeys()
	return &Top{Op: op, N: n, Keys: keys}, err
}

// union reads union, as a source or as an operator.
func (p *parser) union() (Operator, error) {
	u := &Union{Op: Op{At: p.next().pos}}
	for {
		p.hints()
		if t, ok := p.option("kind"); ok {
			switch t.text {
			case "inner":
				u.Inner = true
			case "outer":
			default:
				return nil, Errorf(t.pos, codeSyntax, "expected inner or outer, found %s", t)
			}
		} else if t, ok := p.option("withsource"); ok {
			u.WithSource = t.text
		} else if t, ok := p.option("with_source"); ok {
			u.WithSource = t.text
		} else if t, ok := p.option("isfuzzy"); ok {
			u.Fuzzy = t.value == true
		} else {
			break
		}
	}
	for {
		x, err := p.unionTable()
		if err != nil {
			return nil, err
		}
		u.Tables = append(u.Tables, x)
		if !p.accept(",") {
			return u, nil
		}
	}
}

func (p *parser) unionTable() (Expr, error) {
	t, after := p.peek(), p.ahead(1)
	if t.is("*") || t.kind == name && after.is("*") && after.pos.Offset == t.end {
		text, at, err := p.pattern("a table")
		return &Wildcard{At: at, Pattern: text}, err
	}
	return p.operand()
}

func (p *parser) join(op Op, lookup bool) (Operator, error) {
	j := &Join{Op: op, Lookup: lookup}
	for {
		p.hints()
		t, ok := p.option("kind")
		if !ok {
			break
		}
		j.Kind = t.text
		for p.is("-") && p.ahead(1).kind == name { // left-anti, as older queries write leftanti
			j.Kind += p.ahead(1).text
			p.at += 2
		}
	}
	var err error
	if j.Right, err = p.operand(); err != nil {
		return nil, err
	}
	p.hints()
	if _, err = p.expect("on"); err != nil {
		return nil, err
	}
	for {
		x, err := p.or()
		if err != nil {
			return nil, err
		}
		j.On = append(j.On, x)
		if !p.accept(",") {
			return j, nil
		}
	}
}

// mv reads mv-expand and mv-apply.
func (p *parser) mv(op Op, apply bool) (Operator, error) {
	array, itemIndex := false, ""
	for {
		p.hints()
		if t, ok := p.option("kind"); ok {
			array = t.text == "array"
			if !array && t.text != "bag" {
				return nil, Errorf(t.pos, codeSyntax, "expected bag or array, found %s", t)
			}
		} else if t, ok := p.option("bagexpansion"); ok {
			array = t.text == "array"
		} else if t, ok := p.option("with_itemindex"); ok {
			itemIndex = t.text
		} else {
			break
		}
	}
	var items []MvItem
	for {
		n, err := p.namedOne()
		if err != nil {
			return nil, err
		}
		item := MvItem{Named: n}
		if p.accept("to") {
			if !p.is("typeof") {
				return nil, p.want("typeof(…)")
			}
			t, err := p.typeOf()
			if err != nil {
				return nil, err
			}
			item.To = t.(*TypeOf).Type
		}
		items = append(items, item)
		if !p.accept(",") {
			break
		}
	}
	var limit Expr
	var err error
	if p.accept("limit") {
		if limit, err = p.additive(); err != nil {
			return nil, err
		}
	}
	if !apply {
		return &MvExpand{Op: op, Array: array, ItemIndex: itemIndex, Items: items, Limit: limit}, nil
	}
	if _, err := p.expect("on"); err != nil {
		return nil, err
	}
	sub, err := p.subquery()
	return &MvApply{Op: op, ItemIndex: itemIndex, Items: items, Limit: limit, Sub: sub}, err
}

// subquery reads ( operator | operator … ), whose first operator has no bar.
func (p *parser) subquery() ([]Operator, error) {
	if _, err := p.expect("("); err != nil {
		return nil, err
	}
	p.accept("|")
	first, err := p.operator()
	if err != nil {
		return nil, err
	}
	rest, err := p.operators()
	if err != nil {
		return nil, err
	}
	_, err = p.expect(")")
	return append([]Operator{first}, rest...), err
}

func (p *parser) makeSeries(op Op) (Operator, error) {
	s := &MakeSeries{Op: op}
	p.hints()
	if t, ok := p.option("kind"); ok {
		if t.text != "nonempty" {
			return nil, Errorf(t.pos, codeSyntax, "expected nonempty, found %s", t)
		}
		s.NonEmpty = true
	}
	var err error
	for {
		a := SeriesAgg{}
		if a.Named, err = p.namedOne(); err != nil {
			return nil, err
		}
		if p.accept("default") {
			if _, err := p.expect("="); err != nil {
				return nil, err
			}
			if a.Default, err = p.additive(); err != nil {
				return nil, err
			}
		}
		s.Aggs = append(s.Aggs, a)
		if !p.accept(",") {
			break
		}
	}
	if _, err := p.expect("on"); err != nil {
		return nil, err
	}
	if s.On, err = p.namedOne(); err != nil {
		return nil, err
	}
	if p.is("in") && p.ahead(1).is("range") {
		p.at += 2
		if err := p.inRange(s); err != nil {
			return nil, err
		}
	} else {
		if p.accept("from") {
			if s.From, err = p.additive(); err != nil {
				return nil, err
			}
		}
		if p.accept("to") {
			if s.To, err = p.additive(); err != nil {
				return nil, err
			}
		}
		if _, err := p.expect("step"); err != nil {
			return nil, err
		}
		if s.Step, err = p.additive(); err != nil {
			return nil, err
		}
	}
	if p.accept("by") {
		s.By, err = p.named()
	}
	return s, err
}

// inRange reads the older form of the axis: in range(from, to, step). Its end is inclusive, that of from … to is not.
func (p *parser) inRange(s *MakeSeries) error {
	return Errorf(p.peek().pos, "", "“in range(…)” of make-series is not supported: write from … to … step …")
}

func (p *parser) parse(op Op, where bool) (Operator, error) {
	x := &Parse{Op: op, Kind: "simple", Where: where}
	if t, ok := p.option("kind"); ok {
		x.Kind = t.text
		if x.Kind != "simple" && x.Kind != "regex" && x.Kind != "relaxed" {
			return nil, Errorf(t.pos, codeSyntax, "expected simple, regex or relaxed, found %s", t)
		}
		if t, ok := p.option("flags"); ok {
			x.Flags = t.text
		}
	}
	var err error
	if x.X, err = p.operand(); err != nil {
		return nil, err
	}
	if _, err := p.expect("with"); err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		part := ParsePart{At: t.pos}
		text, isText := t.value.(string)
		switch {
		case t.is("*"):
			part.Star = true
			p.at++
		case isText:
			part.Text = text
			p.at++
		case t.kind == name:
			p.at++
			part.Name, part.Type = t.text, column.String
			if p.accept(":") {
				if part.Type, err = p.typeName(); err != nil {
					return nil, err
				}
			}
		default:
			if len(x.Pattern) == 0 {
				return nil, p.want("a pattern of texts, columns and *")
			}
			return x, nil
		}
		x.Pattern = append(x.Pattern, part)
	}
}

func (p *parser) parseKV(op Op) (Operator, error) {
	x := &ParseKV{Op: op}
	var err error
	if x.X, err = p.operand(); err != nil {
		return nil, err
	}
	if _, err := p.expect("as"); err != nil {
		return nil, err
	}
	if x.Columns, err = p.schema(); err != nil {
		return nil, err
	}
	if p.accept("with") {
		p.at--
		c, err := p.call()
		if err != nil {
			return nil, err
		}
		x.Options = c.Args
	}
	return x, nil
}

// render skips everything up to the end of the pipe: how to draw is not ours.
func (p *parser) render(op Op) (Operator, error) {
	if p.peek().kind != name {
		return nil, p.want("a kind of chart")
	}
	depth := 0
	for p.peek().kind != end {
		switch {
		case p.is("("):
			depth++
		case p.is(")"):
			depth--
		}
		if depth < 0 || depth == 0 && (p.is("|") || p.is(";") || p.is("}")) {
			break
		}
		p.at++
	}
	return &Render{op}, nil
}

func (p *parser) evaluate() (Operator, error) {
	op := Op{At: p.next().pos}
	p.hints()
	c, err := p.call()
	if err != nil {
		return nil, err
	}
	if p.is(":") {
		return nil, Errorf(p.peek().pos, "", "the output schema of evaluate is not supported: leave it out, the columns are found from the data")
	}
	return &Evaluate{op, c}, nil
}

func (p *parser) reduce(op Op) (Operator, error) {
	p.option("kind")
	if _, err := p.expect("by"); err != nil {
		return nil, err
	}
	x, err := p.namedOne()
	if err != nil {
		return nil, err
	}
	if p.is("with") {
		return nil, Errorf(p.peek().pos, "", "“with” of reduce is not supported")
	}
	return &Reduce{Op: op, X: x}, nil
}

func (p *parser) partition(op Op) (Operator, error) {
	p.hints()
	if _, err := p.expect("by"); err != nil {
		return nil, err
	}
	n, err := p.name("a column")
	if err != nil {
		return nil, err
	}
	sub, err := p.subquery()
	return &Partition{Op: op, By: &Name{At: n.pos, Name: n.text}, Sub: sub}, err
}

func (p *parser) dataTable() (Expr, error) {
	d := &DataTable{Op: Op{At: p.next().pos}}
	var err error
	if d.Columns, err = p.schema(); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == name && t.quoted { // ['a'] is one value, not a name
		p.at++
		d.Values = []Expr{&Literal{At: t.pos, Type: column.String, Value: t.text, Text: t.text}}
		return d, nil
	}
	if _, err := p.expect("["); err != nil {
		return nil, err
	}
	d.Values, err = p.list("]")
	return d, err
}

func (p *parser) rangeSource() (Expr, error) {
	r := &Range{Op: Op{At: p.next().pos}}
	n, err := p.name("the column's name")
	if err != nil {
		return nil, err
	}
	r.Name = n.text
	for _, part := range []struct {
		word string
		to   *Expr
	}{{"from", &r.From}, {"to", &r.To}, {"step", &r.Step}} {
		if _, err := p.expect(part.word); err != nil {
			return nil, err
		}
		if *part.to, err = p.additive(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (p *parser) print() (Expr, error) {
	pr := &Print{Op: Op{At: p.next().pos}}
	var err error
	pr.Exprs, err = p.named()
	return pr, err
}

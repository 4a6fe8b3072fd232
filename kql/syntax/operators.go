package syntax

import (
	"strings"
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
			return Errorf(at, codeOperator, "“%s” is no operator; did you mean “%s”?", word, k)
		}
	}
	return Errorf(at, codeOperator, "“%s” is no operator", word)
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

func (p *parser) join(op Op, lookup bool) (Operator, error) {
	j := &Join{Op: op, Lookup: lookup}
	for {
		p.hints()
		t, ok := p.option("kind")
		if !ok {
			break
		}
		j.Kind, j.KindAt = t.text, t.pos
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

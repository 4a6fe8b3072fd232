package syntax

import (
	"strings"
)

// hints skips name=value options that direct an engine and change no answer: hint.strategy=shuffle, hint.materialized=true.
func (p *parser) hints() {
	for p.is("hint") && p.ahead(1).is(".") && p.ahead(3).is("=") {
		p.at = min(p.at+5, len(p.tokens)-1) // the text may end before the value
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

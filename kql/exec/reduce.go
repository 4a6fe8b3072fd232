package exec

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipway-cd/slipway/kql/column"
)

// Reduce groups texts by their shape: words with a digit in them become a star, and the texts that then are the same are a group. It
// gives the pattern, the number and the first text of each group, the largest first.
type Reduce struct {
	input Node
	x     Expr
}

// NewReduce makes a Reduce of a string expression.
func NewReduce(input Node, x Expr) *Reduce { return &Reduce{input: input, x: x} }

// Columns implements Node.
func (n *Reduce) Columns() []column.Field {
	return []column.Field{{Name: "Pattern", Type: column.String}, {Name: "Count", Type: column.Long}, {Name: "Representative", Type: column.String}}
}

type shape struct {
	pattern, first string
	count          int64
}

// Open implements Node.
func (n *Reduce) Open(r *Run) (Stream, error) {
	return later(r, func() (*Batch, error) {
		next, err := n.input.Open(r)
		if err != nil {
			return nil, err
		}
		byPattern := map[string]*shape{}
		var shapes []*shape
		for {
			b, err := next()
			if err != nil {
				return nil, err
			}
			if b == nil {
				break
			}
			v, err := n.x.Eval(r, b)
			if err != nil {
				return nil, err
			}
			size := int64(0)
			for i := range b.Rows {
				text := v.Str(i)
				p := pattern(text)
				s := byPattern[p]
				if s == nil {
					s = &shape{pattern: p, first: text}
					byPattern[p] = s
					shapes = append(shapes, s)
					size += int64(len(p)+len(text)) + 128
				}
				s.count++
			}
			if err := r.keep(size); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(shapes, func(a, b *shape) int { return cmp.Compare(b.count, a.count) })
		patterns, firsts, counts := make([]string, len(shapes)), make([]string, len(shapes)), make([]int64, len(shapes))
		for i, s := range shapes {
			patterns[i], firsts[i], counts[i] = s.pattern, s.first, s.count
		}
		return full(len(shapes), column.NewStrings(patterns), column.NewInts(column.Long, counts, nil), column.NewStrings(firsts)), nil
	}), nil
}

// pattern replaces words with a digit in them by a star.
func pattern(text string) string {
	var b strings.Builder
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return !wordRune(r) })
		if end < 0 {
			end = len(text)
		}
		if word := text[:end]; strings.ContainsAny(word, "0123456789") {
			b.WriteByte('*')
		} else {
			b.WriteString(word)
		}
		text = text[end:]
		if text != "" {
			_, size := utf8.DecodeRuneInString(text)
			b.WriteString(text[:size])
			text = text[size:]
		}
	}
	return b.String()
}

func wordRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-'
}

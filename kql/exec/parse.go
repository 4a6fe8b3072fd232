package exec

import (
	"regexp"

	"github.com/slipway-cd/slipway/kql/column"
)

// Parse takes columns out of a text by a regular expression. A row whose text does not match, or whose parts are not of their types,
// has nulls; with Where it is dropped.
type Parse struct {
	Input   Node
	X       Expr // string
	Regex   *regexp.Regexp
	Parts   []ParsePart
	Relaxed bool // a part that is not of its type is null alone
	Where   bool
	Fields  []column.Field
	From    []int // columns of the result: of the input from 0 up, part k as -1-k
}

// ParsePart is a column to take: the number of a group of the expression, and how its text is read.
type ParsePart struct {
	Group int
	Type  column.Type
	Read  func(string) column.Value // nil if it is not of the type
}

// Columns implements Node.
func (n *Parse) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *Parse) Open(r *Run) (Stream, error) {
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	return func() (*Batch, error) {
		for {
			b, err := next()
			if err != nil || b == nil {
				return nil, err
			}
			if err := r.check(); err != nil {
				return nil, err
			}
			out, err := n.apply(r, b)
			if err != nil || out.Rows > 0 {
				return out, err
			}
		}
	}, nil
}

func (n *Parse) apply(r *Run, b *Batch) (*Batch, error) {
	x, err := n.X.Eval(r, b)
	if err != nil {
		return nil, err
	}
	rows := make([]int32, b.Rows) // the entry of texts for each row
	texts := x
	if codes, dict, ok := x.Dictionary(); ok && dict.Len() <= b.Rows {
		texts = dict
		for i := range rows {
			rows[i] = int32(codes.At(i))
		}
	} else if !x.IsConst() {
		for i := range rows {
			rows[i] = int32(i)
		}
	}
	entries := texts.Len()
	if x.IsConst() {
		entries = min(1, b.Rows)
	}
	values := make([][]column.Value, len(n.Parts))
	for k := range values {
		values[k] = make([]column.Value, entries)
	}
	matched := make([]bool, entries)
	for i := range entries {
		matched[i] = n.match(texts.Str(i), i, values)
	}
	out := lazy(b.Rows, len(n.From), func(i int) *column.Vector {
		if n.From[i] >= 0 {
			return b.Col(n.From[i])
		}
		k := -1 - n.From[i]
		return column.FromValues(n.Parts[k].Type, values[k]).Gather(rows)
	})
	if !n.Where {
		return out, nil
	}
	var keep []int32
	for i, entry := range rows {
		if matched[entry] {
			keep = append(keep, int32(i))
		}
	}
	return out.gather(keep), nil
}

func (n *Parse) match(text string, i int, values [][]column.Value) bool {
	groups := n.Regex.FindStringSubmatchIndex(text)
	if groups == nil {
		return false
	}
	for k, p := range n.Parts {
		from, to := groups[2*p.Group], groups[2*p.Group+1]
		if from < 0 {
			continue
		}
		v := p.Read(text[from:to])
		if v == nil && !n.Relaxed {
			for _, column := range values {
				column[i] = nil
			}
			return false
		}
		values[k][i] = v
	}
	return true
}

// ParseKV is parse-kv: it takes the values of keys out of a text.
type ParseKV struct {
	Input  Node
	X      Expr // string
	Split  func(string) map[string]string
	Keys   []ParseKey
	Fields []column.Field
	From   []int // as of Parse
}

// ParseKey is a key to take the value of.
type ParseKey struct {
	Name string
	Type column.Type
	Read func(string) column.Value
}

// Columns implements Node.
func (n *ParseKV) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *ParseKV) Open(r *Run) (Stream, error) {
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	return func() (*Batch, error) {
		b, err := next()
		if err != nil || b == nil {
			return nil, err
		}
		x, err := n.X.Eval(r, b)
		if err != nil {
			return nil, err
		}
		values := make([][]column.Value, len(n.Keys))
		for k := range values {
			values[k] = make([]column.Value, b.Rows)
		}
		for i := range b.Rows {
			pairs := n.Split(x.Str(i))
			for k, key := range n.Keys {
				if text, ok := pairs[key.Name]; ok {
					values[k][i] = key.Read(text)
				}
			}
		}
		return lazy(b.Rows, len(n.From), func(i int) *column.Vector {
			if n.From[i] >= 0 {
				return b.Col(n.From[i])
			}
			k := -1 - n.From[i]
			return column.FromValues(n.Keys[k].Type, values[k])
		}), nil
	}, nil
}

package column

import "fmt"

// Slice gives rows i to j, without copying.
func (v *Vector) Slice(i, j int) *Vector {
	if i == 0 && j == v.n {
		return v
	}
	if i < 0 || j < i || j > v.n {
		panic(fmt.Sprintf("column: slice %d:%d of %d rows", i, j, v.n))
	}
	s := *v
	s.n = j - i
	switch v.enc {
	case constant:
		return &s
	case dictionary:
		s.codes = v.codes.slice(i, j)
		return &s
	}
	s.nulls = cut(v.nulls, i, j)
	s.bools = cut(v.bools, i, j)
	s.ints = cut(v.ints, i, j)
	s.reals = cut(v.reals, i, j)
	s.guids = cut(v.guids, i, j)
	s.decs = cut(v.decs, i, j)
	s.strs = cut(v.strs, i, j)
	s.dyns = cut(v.dyns, i, j)
	if v.arena != nil {
		s.arena = &arena{data: v.arena.data, offs: v.arena.offs[i : j+1 : j+1]}
	}
	return &s
}

func cut[T any](s []T, i, j int) []T {
	if s == nil {
		return nil
	}
	return s[i:j:j]
}

// Gather gives the rows at the positions in order; a negative position gives a null (an empty string).
func (v *Vector) Gather(rows []int32) *Vector {
	switch v.enc {
	case constant:
		if hasNegative(rows) && !(v.typ == String && v.Str(0) == "") && !v.Null(0) {
			return v.flatten(1).Gather(zeroed(rows))
		}
		return v.withLen(len(rows))
	case dictionary:
		if hasNegative(rows) {
			return v.dict.Gather(v.translate(rows))
		}
		g := *v
		g.n = len(rows)
		switch c := v.codes; {
		case c.Bytes != nil:
			g.codes = Codes{Bytes: pick(c.Bytes, rows)}
		case c.Shorts != nil:
			g.codes = Codes{Shorts: pick(c.Shorts, rows)}
		default:
			g.codes = Codes{Words: pick(c.Words, rows)}
		}
		return &g
	}
	g := &Vector{typ: v.typ, n: len(rows)}
	switch v.typ {
	case Bool:
		g.bools = pick(v.bools, rows)
	case Int, Long, DateTime, TimeSpan:
		g.ints = pick(v.ints, rows)
	case Real:
		g.reals = pick(v.reals, rows)
	case GUID:
		g.guids = pick(v.guids, rows)
	case Decimal:
		g.decs = pick(v.decs, rows)
	case String:
		if v.arena == nil {
			g.strs = pick(v.strs, rows)
			break
		}
		g.strs = make([]string, len(rows))
		for k, r := range rows {
			if r >= 0 {
				g.strs[k] = v.arena.at(int(r))
			}
		}
	case Dynamic:
		g.dyns = make([]Value, len(rows))
		for k, r := range rows {
			if r >= 0 {
				g.dyns[k] = v.Dyn(int(r))
			}
		}
	}
	if v.typ != String && v.typ != Dynamic && (v.nulls != nil || hasNegative(rows)) {
		g.nulls = make([]bool, len(rows))
		for k, r := range rows {
			g.nulls[k] = r < 0 || v.nulls != nil && v.nulls[r]
		}
	}
	return g
}

func pick[T any](from []T, rows []int32) []T {
	to := make([]T, len(rows))
	for k, r := range rows {
		if r >= 0 {
			to[k] = from[r]
		}
	}
	return to
}

func hasNegative(rows []int32) bool {
	for _, r := range rows {
		if r < 0 {
			return true
		}
	}
	return false
}

// zeroed leads every row of a constant to its one value, and keeps the negative ones.
func zeroed(rows []int32) []int32 {
	z := make([]int32, len(rows))
	for k, r := range rows {
		z[k] = min(r, 0)
	}
	return z
}

func (v *Vector) translate(rows []int32) []int32 {
	t := make([]int32, len(rows))
	for k, r := range rows {
		t[k] = -1
		if r >= 0 {
			t[k] = int32(v.codes.At(int(r)))
		}
	}
	return t
}

func (v *Vector) withLen(n int) *Vector {
	w := *v
	w.n = n
	return &w
}

// flatten gives the first n physical rows of a constant as a flat vector.
func (v *Vector) flatten(n int) *Vector {
	f := *v
	f.enc, f.n = flat, n
	return &f
}

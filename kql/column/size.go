package column

import (
	"math"
	"unsafe"
)

// Size is about how many bytes the vector holds. What several vectors share (a dictionary, an arena, parts of dynamics) counts in each.
func (v *Vector) Size() int64 { return v.SizeUpTo(math.MaxInt64) }

// SizeUpTo is Size, but stops counting soon after most: dynamics that share their parts can be far larger than the memory they take.
func (v *Vector) SizeUpTo(most int64) int64 {
	const header = int64(unsafe.Sizeof(Vector{}))
	size := header + int64(len(v.nulls)+len(v.bools)+16*len(v.guids)+8*len(v.ints)+8*len(v.reals)+32*len(v.decs)+16*len(v.strs)+16*len(v.dyns))
	for _, s := range v.strs {
		size += int64(len(s))
	}
	for _, x := range v.dyns {
		if size > most {
			return size
		}
		size += SizeOf(x, most-size)
	}
	if v.arena != nil && len(v.arena.offs) > 0 {
		size += int64(8*len(v.arena.offs)) + int64(v.arena.offs[len(v.arena.offs)-1]-v.arena.offs[0])
	}
	if v.dict != nil {
		size += v.dict.SizeUpTo(most) + int64(len(v.codes.Bytes)+2*len(v.codes.Shorts)+4*len(v.codes.Words))
	}
	return size
}

// SizeOf is about how many bytes a value holds; it stops counting soon after most.
func SizeOf(x Value, most int64) int64 {
	switch x := x.(type) {
	case string:
		return int64(len(x)) + 16
	case []Value:
		size := int64(24) + 16*int64(len(x))
		for _, y := range x {
			if size > most {
				break
			}
			size += SizeOf(y, most-size)
		}
		return size
	case *Bag:
		size := int64(64) + 48*int64(len(x.keys))
		for i, y := range x.values {
			if size > most {
				break
			}
			size += int64(len(x.keys[i])) + SizeOf(y, most-size)
		}
		return size
	case nil:
		return 0
	}
	return 8
}

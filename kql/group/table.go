package group

// table numbers 64-bit keys in order of first appearance: an open-addressing hash table, a few times as fast as a map, since
// every row of a query goes through one.
type table struct {
	keys  []uint64
	ids   []uint32 // number + 1; 0 is a free place
	n     uint32
	shift uint
}

const smallTable = 6 // log2 of the first size

// number gives the key's number; a new key gets the next one if grow is set, None otherwise.
func (t *table) number(key uint64, grow bool) uint32 {
	if id, ok := t.get(key); ok {
		return id
	}
	if !grow {
		return None
	}
	id := t.n
	t.put(key, id)
	return id
}

// get gives the number that put gave a key.
func (t *table) get(key uint64) (uint32, bool) {
	if t.ids == nil {
		return 0, false
	}
	mask := uint64(len(t.ids) - 1)
	for at := t.hash(key); ; at = (at + 1) & mask {
		id := t.ids[at]
		if id == 0 {
			return 0, false
		}
		if t.keys[at] == key {
			return id - 1, true
		}
	}
}

// put gives a key that has none a number.
func (t *table) put(key uint64, id uint32) {
	if uint64(t.n)*2 >= uint64(len(t.ids)) {
		t.resize(t.bits() + 1)
	}
	t.n++
	t.enter(key, id+1)
}

func (t *table) enter(key uint64, mark uint32) {
	mask := uint64(len(t.ids) - 1)
	at := t.hash(key)
	for t.ids[at] != 0 {
		at = (at + 1) & mask
	}
	t.keys[at], t.ids[at] = key, mark
}

func (t *table) bits() uint {
	if t.ids == nil {
		return smallTable - 1
	}
	return 64 - t.shift
}

// hash spreads keys that differ in few bits (Fibonacci hashing).
func (t *table) hash(key uint64) uint64 {
	key ^= key >> 32
	return key * 0x9E3779B97F4A7C15 >> t.shift
}

func (t *table) resize(bits uint) {
	keys, ids := t.keys, t.ids
	t.keys, t.ids, t.shift = make([]uint64, 1<<bits), make([]uint32, 1<<bits), 64-bits
	for i, id := range ids {
		if id != 0 {
			t.enter(keys[i], id)
		}
	}
}

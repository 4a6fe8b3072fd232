package recording

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/kql/column"
)

// A cache is a file of
//
//	sections the bytes of slices as they are in memory, each at a multiple of 8 bytes
//	index    JSON, see cacheIndex: where they are
//	footer   the length of the index, its xxHash64, a number whose bytes tell the order of bytes, and "slipcol" with the version of the
//	         format: 8 bytes each
//
// so that opening one is a matter of pointing slices into the mapped file. All of it is hashed: a damaged cache is not used.
const (
	magic      = "slipcol\x01"
	byteOrder  = 0x0102030405060708
	footerSize = 32
	alignment  = 8
)

var errStale = errors.New("the cache is damaged, or not of this file")

// cacheIndex tells where everything is.
type cacheIndex struct {
	Source  stamp         `json:"source"` // the file that the cache is of
	Table   string        `json:"table"`
	Rows    int           `json:"rows"`
	Columns []cacheColumn `json:"columns"`
}

type cacheColumn struct {
	Name   string      `json:"name"`
	Type   string      `json:"type"`
	Vector cacheVector `json:"vector"`
}

// cacheVector is a vector: flat, one value for all rows, or codes into a dictionary. The values of the last two are flat ones.
type cacheVector struct {
	Const  bool    `json:"const,omitempty"`
	Codes  section `json:"codes,omitzero"`
	Width  int     `json:"width,omitempty"` // of a code, in bytes
	Values int     `json:"values"`          // how many
	Data   section `json:"data"`
	Offs   section `json:"offs,omitzero"` // of texts
	Nulls  section `json:"nulls,omitzero"`
}

// section is a slice in the file. Its hash includes the bytes up to the next multiple of 8.
type section struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Hash   uint64 `json:"hash"`
}

// readCache gives the table in a cache, if it is a sound one of the source. Its vectors share the memory of the mapped file, which is never
// unmapped.
func readCache(path string, source stamp) (*column.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < footerSize {
		return nil, errStale
	}
	data, err := mapFile(f, int(info.Size()))
	if err != nil {
		return nil, err
	}
	index, err := readIndex(data)
	if err != nil {
		return nil, err
	}
	if index.Source != source {
		return nil, errStale
	}
	m := &mapping{data: data}
	t := &column.Table{Name: index.Table, Rows: index.Rows, Vectors: make([]*column.Vector, len(index.Columns))}
	var g errgroup.Group
	for i, c := range index.Columns {
		typ, ok := column.ParseType(c.Type)
		if !ok {
			return nil, errStale
		}
		t.Columns = append(t.Columns, column.Field{Name: c.Name, Type: typ})
		g.Go(func() error {
			var err error
			t.Vectors[i], err = m.vector(typ, c.Vector, index.Rows)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return t, nil
}

func readIndex(data []byte) (cacheIndex, error) {
	var index cacheIndex
	data, footer := data[:len(data)-footerSize], data[len(data)-footerSize:]
	length, hash := binary.NativeEndian.Uint64(footer), binary.NativeEndian.Uint64(footer[8:])
	if string(footer[24:]) != magic || binary.NativeEndian.Uint64(footer[16:]) != byteOrder || length > uint64(len(data)) {
		return index, errStale
	}
	text := data[uint64(len(data))-length:]
	if xxhash.Sum64(text) != hash {
		return index, errStale
	}
	return index, json.Unmarshal(text, &index)
}

// mapping reads slices out of a mapped file.
type mapping struct{ data []byte }

func (m *mapping) bytes(s section) ([]byte, error) {
	size := int64(len(m.data))
	if s.Offset < 0 || s.Length < 0 || s.Offset%alignment != 0 || s.Offset > size || s.Length > size-s.Offset || align(s.Length) > size-s.Offset {
		return nil, errStale
	}
	if xxhash.Sum64(m.data[s.Offset:s.Offset+align(s.Length)]) != s.Hash {
		return nil, errStale
	}
	return m.data[s.Offset : s.Offset+s.Length : s.Offset+s.Length], nil
}

func sliceOf[T any](m *mapping, s section, n int) ([]T, error) {
	b, err := m.bytes(s)
	if err != nil {
		return nil, err
	}
	var one T
	if int64(n)*int64(unsafe.Sizeof(one)) != int64(len(b)) {
		return nil, errStale
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

func (m *mapping) vector(t column.Type, v cacheVector, rows int) (*column.Vector, error) {
	values, err := m.flat(t, v)
	if err != nil {
		return nil, err
	}
	if v.Const {
		if v.Values != 1 {
			return nil, errStale
		}
		return values.Repeat(0, rows), nil
	}
	var codes column.Codes
	switch v.Width {
	case 0:
		if v.Values != rows {
			return nil, errStale
		}
		return values, nil
	case 1:
		codes.Bytes, err = sliceOf[uint8](m, v.Codes, rows)
	case 2:
		codes.Shorts, err = sliceOf[uint16](m, v.Codes, rows)
	case 4:
		codes.Words, err = sliceOf[uint32](m, v.Codes, rows)
	default:
		return nil, errStale
	}
	if err != nil {
		return nil, err
	}
	return column.NewDictionary(codes, values), nil
}

func (m *mapping) flat(t column.Type, v cacheVector) (*column.Vector, error) {
	var nulls []bool
	var err error
	if v.Nulls.Length > 0 {
		if nulls, err = sliceOf[bool](m, v.Nulls, v.Values); err != nil {
			return nil, err
		}
	}
	switch t {
	case column.Bool:
		values, err := sliceOf[bool](m, v.Data, v.Values)
		if err != nil {
			return nil, err
		}
		return column.NewBools(values, nulls), nil
	case column.Real:
		values, err := sliceOf[float64](m, v.Data, v.Values)
		if err != nil {
			return nil, err
		}
		return column.NewReals(values, nulls), nil
	case column.String, column.Dynamic:
		data, err := m.bytes(v.Data)
		if err != nil {
			return nil, err
		}
		offs, err := sliceOf[uint64](m, v.Offs, v.Values+1)
		if err != nil {
			return nil, err
		}
		texts, err := column.NewArena(t, data, offs)
		if err != nil || t == column.String || v.Values > parsedAhead {
			return texts, err
		}
		parsed := make([]column.Value, v.Values)
		for i := range parsed {
			parsed[i] = texts.Dyn(i)
		}
		return column.NewDynamics(parsed), nil
	case column.Int, column.Long, column.DateTime, column.TimeSpan:
		values, err := sliceOf[int64](m, v.Data, v.Values)
		if err != nil {
			return nil, err
		}
		return column.NewInts(t, values, nulls), nil
	}
	return nil, errStale
}

// parsedAhead is up to how many dynamic values a cache is opened with these parsed: those of a dictionary, which queries read again and again.
const parsedAhead = 4096

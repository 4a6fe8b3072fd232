package recording

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/slipway-cd/slipway/kql/column"
)

// writeCache writes a cache beside the place where it is to be and moves it there, so that nobody sees half of one. It does not wait for the
// disk: a cache that a crash damaged is found out by its hashes.
func writeCache(path string, source stamp, t *column.Table) (err error) {
	body, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			body.Close()
			os.Remove(body.Name())
		}
	}()
	buffered := bufio.NewWriterSize(body, 1<<20)
	w := &cacheWriter{to: buffered}
	index, err := json.Marshal(w.table(source, t))
	if err != nil {
		return err
	}
	footer := binary.NativeEndian.AppendUint64(nil, uint64(len(index)))
	footer = binary.NativeEndian.AppendUint64(footer, xxhash.Sum64(index))
	footer = binary.NativeEndian.AppendUint64(footer, byteOrder)
	w.write(index)
	w.write(append(footer, magic...))
	if err := errors.Join(w.err, buffered.Flush(), body.Close()); err != nil {
		return err
	}
	return os.Rename(body.Name(), path)
}

// cacheWriter lays out the sections of a table. Its first error stays.
type cacheWriter struct {
	to     io.Writer
	offset int64
	err    error
}

func (w *cacheWriter) table(source stamp, t *column.Table) cacheIndex {
	index := cacheIndex{Source: source, Table: t.Name, Rows: t.Rows}
	for i, c := range t.Columns {
		index.Columns = append(index.Columns, cacheColumn{Name: c.Name, Type: c.Type.String(), Vector: w.vector(t.Vectors[i])})
	}
	return index
}

func (w *cacheWriter) vector(v *column.Vector) cacheVector {
	if v.IsConst() {
		c := w.flat(column.FromValues(v.Type(), []column.Value{v.Value(0)}))
		c.Const = true
		return c
	}
	codes, values, ok := v.Dictionary()
	if !ok {
		return w.flat(v)
	}
	c := w.flat(values)
	switch {
	case codes.Bytes != nil:
		c.Width, c.Codes = 1, writeSlice(w, codes.Bytes)
	case codes.Shorts != nil:
		c.Width, c.Codes = 2, writeSlice(w, codes.Shorts)
	default:
		c.Width, c.Codes = 4, writeSlice(w, codes.Words)
	}
	return c
}

func (w *cacheWriter) flat(v *column.Vector) cacheVector {
	c := cacheVector{Values: v.Len()}
	if nulls := v.Nulls(); nulls != nil {
		c.Nulls = writeSlice(w, nulls)
	}
	switch t := v.Type(); t {
	case column.Bool:
		c.Data = writeSlice(w, v.Bools())
	case column.Real:
		c.Data = writeSlice(w, v.Reals())
	case column.String, column.Dynamic:
		data, offs, ok := v.Arena()
		if !ok {
			data, offs = texts(v)
		}
		c.Data, c.Offs = writeSlice(w, data), writeSlice(w, offs)
	case column.Int, column.Long, column.DateTime, column.TimeSpan:
		c.Data = writeSlice(w, v.Ints())
	default:
		w.err = fmt.Errorf("a cache has no columns of type %s", t)
	}
	return c
}

// texts gives the strings of a vector, or the dynamics as JSON, end to end.
func texts(v *column.Vector) (data []byte, offs []uint64) {
	offs = make([]uint64, 1, v.Len()+1)
	for i := range v.Len() {
		switch {
		case v.Type() == column.String:
			data = append(data, v.Str(i)...)
		case !v.Null(i):
			data = column.AppendJSON(data, v.Dyn(i))
		}
		offs = append(offs, uint64(len(data)))
	}
	return data, offs
}

func writeSlice[T any](w *cacheWriter, values []T) section {
	var one T
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(one)))
	s := section{Offset: w.offset, Length: int64(len(b))}
	padding := align(s.Length) - s.Length
	hash := xxhash.New()
	for _, part := range [][]byte{b, make([]byte, padding)} {
		_, _ = hash.Write(part) // which never fails
		w.write(part)
	}
	s.Hash = hash.Sum64()
	w.offset += s.Length + padding
	return s
}

func (w *cacheWriter) write(b []byte) {
	if w.err == nil {
		_, w.err = w.to.Write(b)
	}
}

func align(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

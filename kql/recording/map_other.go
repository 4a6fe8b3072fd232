//go:build !unix

package recording

import (
	"io"
	"os"
	"unsafe"
)

// mapFile reads a file: where a mapped file cannot be replaced, a cache that is in use could not be written anew.
func mapFile(f *os.File, size int) ([]byte, error) {
	words := make([]uint64, (size+7)/8) // aligned as mapped memory is
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), size)
	_, err := io.ReadFull(f, b)
	return b, err
}

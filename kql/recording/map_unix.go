//go:build unix

package recording

import (
	"os"
	"syscall"
)

// mapFile gives the bytes of a file, read from disk as they are used. They stay valid when the file is replaced or removed.
func mapFile(f *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_PRIVATE)
}

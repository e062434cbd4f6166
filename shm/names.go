package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/shoal-ipc/shoal/internal/mem"
)

const fileSuffix = ".shoal"

func validName(what, name string, limit int, extra string) error {
	if name == "" || len(name) > limit || name[0] == '.' {
		return fmt.Errorf("shm: %s name %q: want 1 to %d characters, the first no dot: %w", what, name, limit, fs.ErrInvalid)
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("._-"+extra, c) >= 0:
		default:
			return fmt.Errorf("shm: %s name %q: character %q is not allowed: %w", what, name, c, fs.ErrInvalid)
		}
	}
	return nil
}

func validSegmentName(name string) error { return validName("segment", name, nameMax, "") }

func validObjectName(name string) error { return validName("object", name, objectMax, "/") }

// dirOf returns the folder that opts names, or the default one.
func dirOf(opts *Options) string {
	switch {
	case opts != nil && opts.Dir != "":
		return opts.Dir
	case os.Getenv("SHOAL_DIR") != "":
		return os.Getenv("SHOAL_DIR")
	}
	return "/dev/shm"
}

func pathOf(name string, opts *Options) (string, error) {
	if err := validSegmentName(name); err != nil {
		return "", err
	}
	dir, err := filepath.Abs(dirOf(opts))
	if err != nil {
		return "", fmt.Errorf("shm: %w", err)
	}
	return filepath.Join(dir, name+fileSuffix), nil
}

func num[N int | int64 | uint32 | uint64](n N) string { return fmt.Sprint(n) }

func hexNum[N uint32 | uint64](n N) string { return "0x" + strconv.FormatUint(uint64(n), 16) }

// corruptSegment gives a *mem.Corruption of the segment's own structures its name.
func corruptSegment(segment string, err error) error { return corruptObject(segment, "", err) }

// corruptObject gives a *mem.Corruption names; any other error stays as it is.
func corruptObject(segment, name string, err error) error {
	var c *mem.Corruption
	if err == nil || !errors.As(err, &c) {
		return err
	}
	return &CorruptError{Segment: segment, Object: name, Field: c.Field, Offset: c.Offset, Got: c.Got, Want: c.Want}
}

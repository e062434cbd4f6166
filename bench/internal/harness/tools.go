package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tools builds the programs that measure.
type Tools struct {
	CPUs    [2]int // the processors that the two sides are bound to
	Sources fs.FS  // of the rivals' programs
	Anyhow  bool   // measure wherever the processors are; such figures mean nothing
	dir     string
	self    string
	usual   Distance
}

// NewTools returns tools that build in a folder that Close removes.
func NewTools(ctx context.Context, sources fs.FS) (*Tools, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	t := &Tools{Sources: sources, dir: dir, self: self}
	if t.CPUs, err = processors(); err == nil {
		err = t.settle(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Close removes what was built.
func (t *Tools) Close() error { return os.RemoveAll(t.dir) }

// Usual returns the distance at which repetitions are counted.
func (t *Tools) Usual() Distance { return t.usual }

// Self returns the command by which this program measures.
func (t *Tools) Self(args ...string) []string {
	return append([]string{t.self, "-measure"}, args...)
}

// Compiled returns the command of a C or C++ program, which it builds first.
func (t *Tools) Compiled(source string, args ...string) ([]string, error) {
	text, err := fs.ReadFile(t.Sources, source)
	if err != nil {
		return nil, err
	}
	compiler, flags, install := "cc", []string{"-O2", "-march=native", "-pthread"}, "apt-get install gcc"
	if filepath.Ext(source) == ".cpp" {
		compiler, install = "c++", "apt-get install g++"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		return nil, &MissingError{What: compiler, Install: install}
	}
	if header, by, ok := strings.Cut(directive(text, "needs"), ", by "); ok {
		if _, err := os.Stat(header); err != nil {
			return nil, &MissingError{What: header, Install: by}
		}
	}
	sum := sha256.Sum256(text)
	program := filepath.Join(t.dir, filepath.Base(source)+"-"+hex.EncodeToString(sum[:4]))
	if _, err := os.Stat(program); err == nil {
		return append([]string{program}, args...), nil
	}
	path := filepath.Join(t.dir, source)
	if err := os.CopyFS(t.dir, t.Sources); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	flags = append(flags, "-o", program, path, "-lrt")
	flags = append(flags, strings.Fields(directive(text, "flags"))...)
	if out, err := exec.Command(compiler, flags...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", compiler, source, err, out)
	}
	return append([]string{program}, args...), nil
}

// directive returns what a line "// name: …" of a program says.
func directive(text []byte, name string) string {
	for line := range strings.Lines(string(text)) {
		if says, ok := strings.CutPrefix(line, "// "+name+": "); ok {
			return strings.TrimSpace(says)
		}
	}
	return ""
}

// Script returns the command of a program in Python.
func (t *Tools) Script(source string, args ...string) ([]string, error) {
	if _, err := exec.LookPath("python3"); err != nil {
		return nil, &MissingError{What: "python3", Install: "apt-get install python3"}
	}
	if err := os.CopyFS(t.dir, t.Sources); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return append([]string{"python3", filepath.Join(t.dir, source)}, args...), nil
}

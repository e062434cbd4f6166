package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Tools builds the programs that measure.
type Tools struct {
	CPUs    [2]int // the processors that the two sides are bound to
	Sources fs.FS  // of the rivals' programs
	dir     string
	self    string
	usual   Distance
}

// NewTools returns tools that build in a folder that Close removes.
func NewTools(sources fs.FS) (*Tools, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	t := &Tools{CPUs: processors(), Sources: sources, dir: dir, self: self}
	t.settle()
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
	sum := sha256.Sum256(text)
	program := filepath.Join(t.dir, filepath.Base(source)+"-"+hex.EncodeToString(sum[:4]))
	if _, err := os.Stat(program); err == nil {
		return append([]string{program}, args...), nil
	}
	path := program + filepath.Ext(source)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	if err := t.headers(filepath.Dir(source)); err != nil {
		return nil, err
	}
	flags = append(flags, "-o", program, path, "-lrt")
	if out, err := exec.Command(compiler, flags...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", compiler, source, err, out)
	}
	return append([]string{program}, args...), nil
}

// headers lays the headers of a folder beside the programs.
func (t *Tools) headers(folder string) error {
	names, err := fs.Glob(t.Sources, folder+"/*.h")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := fs.ReadFile(t.Sources, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(t.dir, filepath.Base(name)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

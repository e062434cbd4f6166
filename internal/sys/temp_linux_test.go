package sys_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-ipc/shoal/internal/sys"
	"golang.org/x/sys/unix"
)

// TestTempFile runs the life of a file in this process; in the child, in which
// files without a name are disabled, the same for those with a hidden one.
func TestTempFile(t *testing.T) {
	t.Run("unnamed", func(t *testing.T) {
		if !sys.Probe().TmpFile {
			t.Skip("no files without a name here")
		}
		if err := liveTemp(t.TempDir(), 0); err != nil {
			t.Error(err)
		}
	})
	t.Run("hidden", func(t *testing.T) {
		h := startHelper(t, "temp", []string{sys.DisableVariable + "=tmpfile"}, t.TempDir(), "live")
		if got := h.line(t); got != "ok" {
			t.Errorf("the child says %q", got)
		}
	})
}

// liveTemp expects names to be in dir while a file is under construction.
func liveTemp(dir string, names int) error {
	defer unix.Umask(unix.Umask(0o077))
	f, err := sys.TempFile(dir, 0o664)
	if err != nil {
		return err
	}
	if n, err := count(dir); n != names || err != nil {
		return fmt.Errorf("%d names while it is made, %w; want %d", n, err, names)
	}
	if _, err := f.WriteString("complete"); err != nil {
		return err
	}
	if removed, err := sys.StaleTemps(dir); removed != 0 || err != nil {
		return fmt.Errorf("%d files of the living removed, %w", removed, err)
	}
	path := filepath.Join(dir, "final")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := sys.LinkFile(f, path); !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("linking to a taken name: %w, want fs.ErrExist", err)
	}
	if err := sys.LinkFile(f, filepath.Join(dir, "no", "such")); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("linking into no directory: %w, want fs.ErrNotExist", err)
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := sys.LinkFile(f, path); err != nil {
		return err
	}
	info, err := sys.InspectPath(path)
	if err != nil || info.Mode != 0o664 || info.Links != 1 {
		return fmt.Errorf("got %+v, %w; want mode 0664 whatever the umask, and one name", info, err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "complete" {
		return fmt.Errorf("content %q, %w", b, err)
	}
	if err := sys.Drop(f); err != nil {
		return err
	}
	if n, err := count(dir); n != 1 || err != nil {
		return fmt.Errorf("%d names after it is linked, %w; want 1", n, err)
	}
	g, err := sys.TempFile(dir, 0o600)
	if err != nil {
		return err
	}
	if err := sys.Drop(g); err != nil {
		return err
	}
	if n, err := count(dir); n != 1 || err != nil {
		return fmt.Errorf("%d names after another was dropped, %w; want 1", n, err)
	}
	return nil
}

func count(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	return len(entries), err
}

// TestStaleTemps kills the maker of a hidden file: only then may it be removed.
func TestStaleTemps(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, sys.HiddenPrefix+"directory")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	h := startHelper(t, "temp", []string{sys.DisableVariable + "=tmpfile"}, dir, "wait")
	h.line(t)
	if removed, err := sys.StaleTemps(dir); removed != 0 || err != nil {
		t.Errorf("removed %d, %v, while the maker lives", removed, err)
	}
	h.kill(t)
	if removed, err := sys.StaleTemps(dir); removed != 1 || err != nil {
		t.Errorf("removed %d, %v, after the maker died; want 1", removed, err)
	}
	if n, err := count(dir); n != 1 || err != nil {
		t.Errorf("%d names left, %v; want the directory only", n, err)
	}
	if _, err := sys.StaleTemps(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no directory: %v, want fs.ErrNotExist", err)
	}
}

func helpTemp(args []string) error {
	if args[1] == "live" {
		if err := liveTemp(args[0], 1); err != nil {
			return err
		}
		say("ok")
		return nil
	}
	f, err := sys.TempFile(args[0], 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	say("made")
	waitForParent()
	return nil
}

func TestTempFileNowhere(t *testing.T) {
	if _, err := sys.TempFile(filepath.Join(t.TempDir(), "nothing"), 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
}

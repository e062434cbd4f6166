package sys_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-ipc/shoal/internal/sys"
	"golang.org/x/sys/unix"
)

func TestOpenRegularOnly(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path("file"), []byte("x"), 0o600))
	must(os.Symlink(path("file"), path("link")))
	must(os.Symlink(path("nothing"), path("dangling")))
	must(os.Mkdir(path("dir"), 0o700))
	must(unix.Mkfifo(path("pipe"), 0o600))
	l, err := net.Listen("unix", path("socket"))
	must(err)
	defer func() { _ = l.Close() }()

	cases := []struct {
		path string
		want error
	}{
		{path("file"), nil},
		{path("link"), fs.ErrInvalid},
		{path("dangling"), fs.ErrInvalid},
		{path("dir"), fs.ErrInvalid},
		{path("pipe"), fs.ErrInvalid},
		{path("socket"), fs.ErrInvalid},
		{"/dev/null", fs.ErrInvalid},
		{path("nothing"), fs.ErrNotExist},
	}
	before := openDescriptors(t)
	for name, open := range map[string]func(string) (*os.File, error){"rw": sys.OpenReadWrite, "ro": sys.OpenReadOnly} {
		for _, c := range cases {
			f, err := open(c.path)
			if !errors.Is(err, c.want) {
				t.Errorf("%s %s: %v, want %v", name, c.path, err, c.want)
			}
			if f != nil {
				if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("%s: descriptor flags %#x, %v; want FD_CLOEXEC", name, flags, err)
				}
				_, err := f.WriteAt([]byte("y"), 0)
				if (err == nil) != (name == "rw") {
					t.Errorf("%s: writing: %v", name, err)
				}
				_ = f.Close()
			}
		}
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors, were %d", after, before)
	}
}

func TestInspect(t *testing.T) {
	f := fileOf(t, 1234)
	if err := f.Chmod(0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(f.Name(), f.Name()+"2"); err != nil {
		t.Fatal(err)
	}
	a, err := sys.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	if a.Size != 1234 || a.Mode != 0o640 || a.UID != os.Getuid() || a.GID != os.Getgid() || a.Links != 2 || a.Ino == 0 {
		t.Errorf("got %+v", a)
	}
	if b, err := sys.InspectPath(f.Name() + "2"); err != nil || a != b {
		t.Errorf("by the other name: %+v, %v; want %+v", b, err, a)
	}
	if err := os.Symlink(f.Name(), f.Name()+"3"); err != nil {
		t.Fatal(err)
	}
	if c, err := sys.InspectPath(f.Name() + "3"); err != nil || c.Mode&fs.ModeSymlink == 0 || c.Ino == a.Ino {
		t.Errorf("a symbolic link is described as %+v, %v", c, err)
	}
	if _, err := sys.InspectPath(f.Name() + "4"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

func TestChown(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give files to any group")
	}
	f := fileOf(t, 0)
	if err := sys.Chown(f, 12); err != nil {
		t.Fatal(err)
	}
	if info, err := sys.Inspect(f); err != nil || info.GID != 12 || info.UID != 0 {
		t.Errorf("got %+v, %v; want group 12", info, err)
	}
}

func TestReopen(t *testing.T) {
	f := fileOf(t, 10)
	if err := os.Remove(f.Name()); err != nil { // what counts is the file, not its name
		t.Fatal(err)
	}
	g, err := sys.Reopen(f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	a, errA := sys.Inspect(f)
	b, errB := sys.Inspect(g)
	if a != b || errA != nil || errB != nil {
		t.Errorf("another file was opened: %+v %v, %+v %v", a, errA, b, errB)
	}
	// Two descriptions have two positions.
	if _, err := f.Seek(5, 0); err != nil {
		t.Fatal(err)
	}
	if pos, err := g.Seek(0, 1); err != nil || pos != 0 {
		t.Errorf("position %d, %v: not a description of its own", pos, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sys.Reopen(f); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("reopening a closed file: %v, want fs.ErrClosed", err)
	}
}

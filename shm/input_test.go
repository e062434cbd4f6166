package shm_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// Conformance: TRK-06.
func TestNames(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(ctx, "ok", opts)
	defer seg.Close()
	for _, name := range []string{"", ".", "..", ".x", "a/b", "../a", "a b", "ä", "a\x00", "a#b", strings.Repeat("x", 129)} {
		_, err1 := shm.Create(ctx, name, shm.Spec{}, opts)
		_, err2 := shm.Open(ctx, name, opts)
		_, err3 := shm.OpenOrCreate(ctx, name, shm.Spec{}, opts)
		err4 := shm.Remove(name, opts)
		for i, err := range []error{err1, err2, err3, err4} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("segment %q, call %d: %v, want fs.ErrInvalid", name, i, err)
			}
		}
	}
	for _, name := range []string{"", ".x", "a b", "#", strings.Repeat("x", 65)} {
		_, _, err := object.Inside().Create(ctx, seg, mutexRequest(name))
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("object %q: %v, want fs.ErrInvalid", name, err)
		}
	}
	for _, name := range []string{"a", "A-Z_0.9", strings.Repeat("x", 128)} {
		s, err := shm.Create(ctx, name, shm.Spec{}, opts)
		if err != nil {
			t.Errorf("segment %q: %v", name, err)
			continue
		}
		if s.Name() != name {
			t.Errorf("name %q, want %q", s.Name(), name)
		}
		s.Close()
	}
	createMutex(t, seg, "jobs/high")
}

func create(ctx context.Context, name string, opts *shm.Options) *shm.Segment {
	seg, err := shm.Create(ctx, name, shm.Spec{}, opts)
	if err != nil {
		panic(err)
	}
	return seg
}

// Conformance: SHM-03.
func TestSpecs(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	for _, spec := range []shm.Spec{
		{Size: -1},
		{MaxSize: -1},
		{Participants: -1},
		{Participants: 4096},
		{Lifetime: 4},
		{Mode: fs.ModeDir},
		{Size: 2 << 20, MaxSize: 1 << 20},
		{Group: "no such group anywhere"},
	} {
		if _, err := shm.Create(ctx, "s", spec, opts); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v, want fs.ErrInvalid", spec, err)
		}
	}
	if _, err := shm.Create(ctx, "s", shm.Spec{MaxSize: 4096}, opts); !errors.Is(err, shm.ErrNoSpace) {
		t.Errorf("too small a MaxSize: %v", err)
	}
	if files, _ := os.ReadDir(opts.Dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
	seg, err := shm.Create(ctx, "s", shm.Spec{Participants: 7, Mode: 0o640}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	if info, err := os.Stat(filepath.Join(opts.Dir, "s.shoal")); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, tt := range []struct {
		spec  shm.Spec
		field string
	}{
		{shm.Spec{Participants: 8}, "Participants"},
		{shm.Spec{Lifetime: shm.Persistent}, "Lifetime"},
		{shm.Spec{MaxSize: 2 << 20}, "MaxSize"},
	} {
		_, err := shm.OpenOrCreate(ctx, "s", tt.spec, opts)
		var e *shm.IncompatibleError
		if !errors.As(err, &e) || !errors.Is(err, shm.ErrIncompatible) || e.Field != tt.field {
			t.Errorf("%+v: %v, want an IncompatibleError of %s", tt.spec, err, tt.field)
		}
	}
	same, err := shm.OpenOrCreate(ctx, "s", shm.Spec{Size: 4 << 20, Participants: 7, Mode: 0o600}, opts)
	if err != nil {
		t.Fatal(err)
	}
	same.Close()
}

func TestDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(ctx, "s", opts)
	defer seg.Close()
	cancel()
	_, err1 := shm.Create(ctx, "t", shm.Spec{}, opts)
	_, err2 := shm.Open(ctx, "s", opts)
	_, err3 := shm.OpenOrCreate(ctx, "t", shm.Spec{}, opts)
	_, _, err4 := object.Inside().Create(ctx, seg, mutexRequest("m"))
	err5 := seg.Remove(ctx, "m")
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if names, _ := shm.List(opts); len(names) != 1 {
		t.Errorf("segments: %v", names)
	}
}

func TestForeignFiles(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(ctx, "good", shm.Spec{Lifetime: shm.Persistent}, opts)
	if err != nil {
		t.Fatal(err)
	}
	createMutex(t, seg, "m")
	seg.Close()
	good, err := os.ReadFile(filepath.Join(opts.Dir, "good.shoal"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(off int, b ...byte) []byte {
		bad := bytes.Clone(good)
		copy(bad[off:], b)
		return bad
	}
	for _, tt := range []struct {
		name string
		file []byte
		want error
	}{
		{"random", bytes.Repeat([]byte("garbage "), 4096), shm.ErrCorrupt},
		{"short", []byte("x"), shm.ErrCorrupt},
		{"zeros", make([]byte, 1<<16), shm.ErrCorrupt},
		{"truncated", good[:len(good)/2], shm.ErrCorrupt},
		{"one-page", good[:4096], shm.ErrCorrupt},
		{"other-version", put(8, 99), shm.ErrIncompatible},
		{"other-order", put(12, 1, 2, 3, 4), shm.ErrIncompatible},
		{"not-ready", put(16, 0, 0, 0, 0, 0, 0, 0, 0), shm.ErrCorrupt},
		{"slots", put(32, 255, 255), shm.ErrCorrupt},
		{"entries", put(36, 255, 255, 255), shm.ErrCorrupt},
		{"size", put(40, 255, 255, 255, 255, 255, 255, 255, 127), shm.ErrCorrupt},
		{"maxsize", put(48, 255, 255, 255, 255, 255, 255, 255, 127), shm.ErrCorrupt},
		{"heap", put(56, 1), shm.ErrCorrupt},
	} {
		path := filepath.Join(opts.Dir, tt.name+".shoal")
		if err := os.WriteFile(path, tt.file, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err1 := shm.Open(ctx, tt.name, opts)
		_, err2 := shm.OpenOrCreate(ctx, tt.name, shm.Spec{}, opts)
		_, err3 := shm.Open(ctx, tt.name, &shm.Options{Dir: opts.Dir, ReadOnly: true})
		for i, err := range []error{err1, err2, err3} {
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, call %d: %v, want %v", tt.name, i, err, tt.want)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, tt.file) {
			t.Errorf("%s: the file was changed, %v", tt.name, err)
		}
		if err := shm.Remove(tt.name, opts); err != nil {
			t.Errorf("%s: remove: %v", tt.name, err)
		}
	}
	if err := os.Symlink("good.shoal", filepath.Join(opts.Dir, "link.shoal")); err != nil {
		t.Fatal(err)
	}
	if _, err := shm.Open(ctx, "link", opts); err == nil {
		t.Error("a symbolic link was followed")
	}
	if err := os.Mkdir(filepath.Join(opts.Dir, "dir.shoal"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := shm.OpenOrCreate(ctx, "dir", shm.Spec{}, opts); err == nil {
		t.Error("a folder was opened")
	}
}

func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(ctx, "s", opts)
	defer seg.Close()
	path := filepath.Join(opts.Dir, "s.shoal")
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := shm.Open(ctx, "s", opts); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("open: %v, want fs.ErrPermission", err)
	}
	if removed, err := shm.Prune(ctx, opts); err != nil || len(removed) != 0 {
		t.Errorf("pruned %v, %v", removed, err)
	}
	other, err := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, AnyOwner: true})
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
}

func TestReadOnly(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(ctx, "s", opts)
	defer seg.Close()
	createMutex(t, seg, "m")
	path := filepath.Join(opts.Dir, "s.shoal")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ro, err := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := object.Inside().Open(ctx, ro, mutexRequest("m")); err != nil {
		t.Errorf("open: %v", err)
	}
	if _, _, err := object.Inside().Create(ctx, ro, mutexRequest("n")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("create: %v, want fs.ErrPermission", err)
	}
	if err := ro.Remove(ctx, "m"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("remove: %v, want fs.ErrPermission", err)
	}
	ps, err := ro.Participants()
	if err != nil || len(ps) != 1 || !ps[0].Alive {
		t.Errorf("participants: %v, %v", ps, err)
	}
	if os, err := ro.Objects(); err != nil || len(os) != 1 {
		t.Errorf("objects: %v, %v", os, err)
	}
	if hs, err := ro.Holds(); err != nil || len(hs) != 0 {
		t.Errorf("holds: %v, %v", hs, err)
	}
	if err := ro.Check(); err != nil {
		t.Error(err)
	}
	if err := ro.Close(); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("looking changed the segment, %v", err)
	}
}

func TestClosedSegment(t *testing.T) {
	ctx := context.Background()
	var zero shm.Segment
	closed := create(ctx, "s", &shm.Options{Dir: t.TempDir()})
	closed.Close()
	for _, seg := range []*shm.Segment{&zero, closed} {
		_, err1 := seg.Stat()
		_, err2 := seg.Participants()
		_, err3 := seg.Objects()
		_, err4 := seg.Holds()
		err5 := seg.Check()
		_, err6 := seg.File()
		err7 := seg.Remove(ctx, "m")
		_, err8 := seg.MarshalText()
		_, _, err9 := object.Inside().Create(ctx, seg, mutexRequest("m"))
		var err10 error
		for _, err10 = range seg.Deaths(ctx) {
		}
		for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, err10} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("call %d: %v, want fs.ErrClosed", i+1, err)
			}
		}
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	}
	if closed.Name() != "s" || closed.Spec().Participants != 256 {
		t.Errorf("after Close: %q, %+v", closed.Name(), closed.Spec())
	}
}

func TestDeathsEnds(t *testing.T) {
	seg := create(context.Background(), "s", &shm.Options{Dir: t.TempDir()})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for _, err := range seg.Deaths(ctx) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
	}
	done := make(chan error)
	deaths := seg.Deaths(context.Background())
	go func() {
		for _, err := range deaths {
			done <- err
		}
	}()
	seg.Close()
	if err := <-done; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestSendReceive(t *testing.T) {
	ctx := context.Background()
	seg := anonymous()
	defer seg.Close()
	createMutex(t, seg, "m")
	a, b := socketPair(t)
	sent := make(chan error, 1)
	go func() { sent <- seg.Send(ctx, a) }()
	other, err := shm.Receive(ctx, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if os, err := other.Objects(); err != nil || len(os) != 1 {
		t.Errorf("objects: %v, %v", os, err)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := shm.Receive(short, b, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing to receive: %v", err)
	}
}

func anonymous() *shm.Segment {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		panic(err)
	}
	return seg
}

func socketPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at, _ := l.Addr().(*net.UnixAddr)
	if a, err = net.DialUnix("unix", nil, at); err != nil {
		t.Fatal(err)
	}
	if b, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Conformance: SHM-07, SHM-08.
func TestText(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg := create(ctx, "s", opts)
	text := marshal(seg)
	var one, two shm.Segment
	if err := one.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	if err := two.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	createMutex(t, &one, "m")
	one.Close()
	if _, err := two.Objects(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("texts of one segment are one use: %v", err)
	}
	if os, err := seg.Objects(); err != nil || len(os) != 1 {
		t.Errorf("objects: %v, %v", os, err)
	}
	seg.Close()
	if err := one.UnmarshalText(text); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("text of a segment that has ended: %v", err)
	}
	next := create(ctx, "s", opts)
	defer next.Close()
	if err := one.UnmarshalText(text); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("text of a segment that was replaced: %v", err)
	}
	for _, bad := range []string{"", "shoal1:", "shoal1:zz:", "shoal1:00:/x", "shoal1:" + strings.Repeat("0", 32) + ":/etc/passwd"} {
		if err := one.UnmarshalText([]byte(bad)); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v, want fs.ErrInvalid", bad, err)
		}
	}
}

func marshal(seg *shm.Segment) []byte {
	text, err := seg.MarshalText()
	if err != nil {
		panic(err)
	}
	return text
}

package contract

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"testing"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

var idle = process.Func("contract.idle", func(ctx ctxt, _ struct{}) error {
	<-ctx.Done()
	return ctx.Err()
})

// sockets returns the two ends of a unix socket.
func sockets(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: ln.Addr().String(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	b, err = ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func TestDoneContextOfSegmentsAndProcesses(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	opts := &shm.Options{Dir: t.TempDir()}
	other, err := shm.Create(t.Context(), "there", shm.Spec{Lifetime: shm.Persistent}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	near, far := sockets(t)
	child, err := idle.Start(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := things()[0].create(t.Context(), seg, "x"); err != nil {
		t.Fatal(err)
	}
	ctx := done(t)
	for name, err := range map[string]error{
		"shm.Create":                     drop(shm.Create(ctx, "new", shm.Spec{}, opts)),
		"shm.Open":                       drop(shm.Open(ctx, "there", opts)),
		"shm.Open of none":               drop(shm.Open(ctx, "new", opts)),
		"shm.OpenOrCreate":               drop(shm.OpenOrCreate(ctx, "there", shm.Spec{}, opts)),
		"shm.OpenOrCreate of none":       drop(shm.OpenOrCreate(ctx, "new", shm.Spec{}, opts)),
		"shm.Receive":                    drop(shm.Receive(ctx, near, nil)),
		"shm.Prune":                      drop(shm.Prune(ctx, opts)),
		"shm.Segment.Send":               seg.Send(ctx, far),
		"shm.Segment.Remove":             seg.Remove(ctx, "x"),
		"shm.Segment.Deaths":             last(seg.Deaths(ctx)),
		"process.Function.Start":         drop(idle.Start(ctx, struct{}{})),
		"process.Function.Run":           idle.Run(ctx, struct{}{}),
		"process.Command.Start":          drop(idle.Command(struct{}{}).Start(ctx)),
		"process.Child.Wait":             child.Wait(ctx),
		"process.Wait":                   process.Wait(ctx, child),
		"shm.Options.ReadOnly, shm.Open": drop(shm.Open(ctx, "there", &shm.Options{Dir: opts.Dir, ReadOnly: true})),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	if names, err := shm.List(opts); err != nil || len(names) != 1 {
		t.Errorf("segments %v, %v", names, err)
	}
	if objects, err := seg.Objects(); err != nil || len(objects) != 1 {
		t.Errorf("objects %v, %v", objects, err)
	}
	if err := child.Stop(); err != nil {
		t.Error(err)
	}
	if err := child.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if got := process.Children(); len(got) != 0 {
		t.Errorf("children %v are left", got)
	}
}

func TestClosedSegments(t *testing.T) {
	near, _ := sockets(t)
	closed := shmtest.Segment(t, shm.Spec{Participants: 3})
	name := closed.Name()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for what, seg := range map[string]*shm.Segment{"closed": closed, "zero": {}} {
		for call, err := range map[string]error{
			"Remove":       seg.Remove(t.Context(), "x"),
			"Send":         seg.Send(t.Context(), near),
			"File":         drop(seg.File()),
			"Stat":         drop(seg.Stat()),
			"Participants": drop(seg.Participants()),
			"Objects":      drop(seg.Objects()),
			"Holds":        drop(seg.Holds()),
			"Deaths":       last(seg.Deaths(t.Context())),
			"Check":        seg.Check(),
			"MarshalText":  drop(seg.MarshalText()),
		} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s of a %s segment: %v, want fs.ErrClosed", call, what, err)
			}
		}
		if err := seg.Close(); err != nil {
			t.Errorf("Close of a %s segment: %v", what, err)
		}
	}
	if closed.Name() != name || closed.Spec().Participants != 3 {
		t.Errorf("name %q and spec %+v after Close", closed.Name(), closed.Spec())
	}
}

// What looks works without being a participant; all else is refused.
func TestReadOnlySegments(t *testing.T) {
	dir := t.TempDir()
	seg, err := shm.Create(t.Context(), "s", shm.Spec{}, &shm.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	reader, err := shm.Open(t.Context(), "s", &shm.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for call, err := range map[string]error{
		"Stat":         drop(reader.Stat()),
		"Participants": drop(reader.Participants()),
		"Objects":      drop(reader.Objects()),
		"Holds":        drop(reader.Holds()),
		"Check":        reader.Check(),
		"MarshalText":  drop(reader.MarshalText()),
	} {
		if err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
	if err := reader.Remove(t.Context(), "x"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Remove: %v, want fs.ErrPermission", err)
	}
	if people, err := seg.Participants(); err != nil || len(people) != 1 {
		t.Errorf("participants %v, %v", people, err)
	}
}

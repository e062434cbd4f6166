package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/shm"
)

func mutexRequest(name string) object.Request {
	return object.Request{Name: name, Kind: robust.Kind(), Spec: object.Spec{uint64(robust.Poison)}}
}

func createMutex(tb testing.TB, seg *shm.Segment, name string) {
	tb.Helper()
	if _, _, err := object.Inside().Create(context.Background(), seg, mutexRequest(name)); err != nil {
		tb.Fatal(err)
	}
}

func check(tb testing.TB, seg *shm.Segment) {
	tb.Helper()
	if err := seg.Check(); err != nil {
		tb.Errorf("check: %v", err)
	}
}

// Conformance: SHM-04, RNM-01.
func TestCreateOpenClose(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(ctx, "orders", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shm.Create(ctx, "orders", shm.Spec{}, opts); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second create: %v, want fs.ErrExist", err)
	}
	createMutex(t, seg, "m")
	other, err := shm.Open(ctx, "orders", opts)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := other.Participants()
	if err != nil || len(ps) != 1 || !ps[0].Alive || ps[0].PID != os.Getpid() {
		t.Errorf("participants: %v, %v; want this process once", ps, err)
	}
	check(t, seg)
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
	if err := seg.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := seg.Stat(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("stat after close: %v", err)
	}
	if os, err := other.Objects(); err != nil || len(os) != 1 || os[0].Name != "m" || os[0].Kind != "mutex" {
		t.Errorf("objects: %v, %v", os, err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if _, err := shm.Open(ctx, "orders", opts); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open after the last close: %v, want fs.ErrNotExist", err)
	}
	if files, _ := filepath.Glob(filepath.Join(opts.Dir, "*")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

var childHolds = registerChild("holds", func(args []string) {
	ctx := context.Background()
	seg, err := shm.Open(ctx, args[1], &shm.Options{Dir: args[0]})
	if err != nil {
		say(err)
		return
	}
	use, obj, err := object.Inside().Open(ctx, seg, mutexRequest("m"))
	if err != nil {
		say(err)
		return
	}
	core, err := robust.Attach(obj.Region, obj.Shape)
	if err != nil {
		say(err)
		return
	}
	if err := robust.New(core.Words, robust.Poison, use, obj).Lock(ctx); err != nil {
		say(err)
		return
	}
	say("locked")
	hear()
})

func TestKilledHolderIsRepaired(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(ctx, "orders", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	createMutex(t, seg, "m")
	c := start(t, childHolds, opts.Dir, "orders")
	if s := c.line(); s != "locked" {
		t.Fatal(s)
	}
	hs, err := seg.Holds()
	if err != nil || len(hs) != 1 || hs[0].Participant.PID != c.cmd.Process.Pid {
		t.Errorf("holds: %v, %v; want one of the child", hs, err)
	}
	deaths := seg.Deaths(ctx)
	c.kill()
	for d, err := range deaths {
		if err != nil {
			t.Fatal(err)
		}
		if d.Participant.PID != c.cmd.Process.Pid || len(d.Held) != 1 {
			t.Errorf("death: %v", d)
		}
		t.Log(d)
		break
	}
	check(t, seg)
	if ps, _ := seg.Participants(); len(ps) != 1 {
		t.Errorf("participants: %v", ps)
	}
}

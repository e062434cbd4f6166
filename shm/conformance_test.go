package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// TestConformanceSegment has a subtest for each thing that users of shared memory
// rely on and that no other test here shows. Those that bear an id in their
// comment show the rest.
func TestConformanceSegment(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, opts *shm.Options){
		"SHM-01": attachByName, "SHM-02": openTakesNoSize, "SHM-05": openOrCreateAdopts, "SHM-06": written,
		"SHM-10": persists, "HEP-01": freedByTheCollector,
		"TRK-01": goneAfterDeath, "TRK-02": oneRemovedByHand,
		"RNM-02": slowInit, "RNM-05": directoriesAreApart, "RCL-01": deadAndAlive, "RCL-02": creatorIsKilled,
	} {
		t.Run(name, func(t *testing.T) { f(t, &shm.Options{Dir: t.TempDir()}) })
	}
}

func textArray(ctx context.Context, seg *shm.Segment) (*array.Array[byte], error) {
	return array.OpenOrCreate[byte](ctx, seg, "text", array.Spec{Len: 16})
}

// childWrites opens the segment s of a folder, or the one whose text it gets,
// says what is there and writes its last argument.
var childWrites = registerChild("writes", func(args []string) {
	ctx := context.Background()
	seg := new(shm.Segment)
	var err error
	if strings.HasPrefix(args[0], "shoal1:") {
		err = seg.UnmarshalText([]byte(args[0]))
	} else {
		seg, err = shm.Open(ctx, "s", &shm.Options{Dir: args[0]})
	}
	if err != nil {
		say(err)
		return
	}
	text, err := textArray(ctx, seg)
	if err != nil {
		say(err)
		return
	}
	say(strings.TrimRight(string(text.View()), "\x00"))
	text.CopyIn(0, []byte(args[1]))
	say(seg.Close())
})

func wantFiles(t *testing.T, opts *shm.Options, n int) {
	t.Helper()
	if files, err := os.ReadDir(opts.Dir); err != nil || len(files) != n {
		t.Errorf("files: %v, %v; want %d", files, err, n)
	}
}

func attachByName(t *testing.T, opts *shm.Options) {
	seg := create(t.Context(), "s", opts)
	defer seg.Close()
	text := must2(t)(textArray(t.Context(), seg))
	text.CopyIn(0, []byte("42"))
	if seg.Name() != "s" || text.Len() != 16 {
		t.Errorf("%q, %d bytes", seg.Name(), text.Len())
	}
	c := start(t, childWrites, opts.Dir, "43")
	if s := c.line(); s != "42" {
		t.Errorf("the child sees %q", s)
	}
	if s := c.line(); s != "<nil>" {
		t.Error(s)
	}
	c.wait()
	if got := string(text.View()[:2]); got != "43" {
		t.Errorf("the child left %q", got)
	}
}

// must2 is must for the results of a call.
func must2(tb testing.TB) func(a *array.Array[byte], err error) *array.Array[byte] {
	tb.Helper()
	return func(a *array.Array[byte], err error) *array.Array[byte] {
		tb.Helper()
		return must(tb, a, err)
	}
}

// Written by name, and by the text of a handle.
func written(t *testing.T, opts *shm.Options) {
	seg := create(t.Context(), "s", opts)
	defer seg.Close()
	text := must2(t)(textArray(t.Context(), seg))
	before := ""
	for how, word := range map[string]string{opts.Dir: "howdy", string(marshal(seg)): "HELLO"} {
		c := start(t, childWrites, how, word)
		if s := c.line(); s != before {
			t.Errorf("the child sees %q, want %q", s, before)
		}
		if s := c.line(); s != "<nil>" {
			t.Error(s)
		}
		c.wait()
		if got := string(text.View()[:5]); got != word {
			t.Errorf("the child left %q, want %q", got, word)
		}
		before = word
	}
}

func openTakesNoSize(t *testing.T, opts *shm.Options) {
	spec := shm.Spec{Size: 2 << 20, MaxSize: 4 << 20, Participants: 7, Lifetime: shm.Owner, Mode: 0o600}
	seg, err := shm.Create(t.Context(), "s", spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	other, err := shm.Open(t.Context(), "s", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if a, b := seg.Spec(), other.Spec(); a != b || b.Participants != 7 || b.MaxSize != 4<<20 || b.Lifetime != shm.Owner {
		t.Errorf("opened as %+v, made as %+v", b, a)
	}
}

func openOrCreateAdopts(t *testing.T, opts *shm.Options) {
	seg := create(t.Context(), "s", opts)
	defer seg.Close()
	must2(t)(textArray(t.Context(), seg)).CopyIn(0, []byte("mine"))
	other, err := shm.OpenOrCreate(t.Context(), "s", shm.Spec{Size: 20 << 20}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	a, err := seg.Stat()
	b, err2 := other.Stat()
	if err := errors.Join(err, err2); err != nil || a.Size != b.Size {
		t.Errorf("sizes %d and %d, %v", a.Size, b.Size, err)
	}
	if text := must2(t)(textArray(t.Context(), other)); string(text.View()[:4]) != "mine" {
		t.Errorf("it has %q", text.View())
	}
}

func persists(t *testing.T, opts *shm.Options) {
	spec := shm.Spec{Lifetime: shm.Persistent}
	seg, err := shm.Create(t.Context(), "s", spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	must2(t)(textArray(t.Context(), seg)).CopyIn(0, []byte("still here"))
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(opts.Dir, "s.shoal"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v, %v", info, err)
	}
	again, err := shm.Open(t.Context(), "s", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if text := must2(t)(textArray(t.Context(), again)); string(text.View()[:10]) != "still here" {
		t.Errorf("it has %q", text.View())
	}
	if err := shm.Remove("s", opts); err != nil {
		t.Error(err)
	}
	fresh, err := shm.Create(t.Context(), "s", spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if text := must2(t)(textArray(t.Context(), fresh)); strings.Trim(string(text.View()), "\x00") != "" {
		t.Errorf("a new segment has %q", text.View())
	}
	if err := shm.Remove("s", opts); err != nil {
		t.Error(err)
	}
	wantFiles(t, opts, 0)
}

// Segments are closed by the collector while others make and remove objects.
func freedByTheCollector(t *testing.T, opts *shm.Options) {
	seg := create(t.Context(), "s", opts)
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range rounds {
			other, err := shm.Open(t.Context(), "s", opts)
			if err != nil {
				t.Error(err)
				return
			}
			garbage := &[2]*shm.Segment{}
			garbage[0] = seg
			runtime.AddCleanup(garbage, func(s *shm.Segment) { _ = s.Close() }, other)
			if i%10 == 0 {
				runtime.GC()
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprint("n", i%5)
				if _, err := value.OpenOrCreate(t.Context(), seg, name, i); err != nil {
					t.Error(err)
				}
				if err := seg.Remove(t.Context(), name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	check(t, seg)
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(30 * time.Second); ; runtime.GC() { // the collector's turn for the last ones
		if files, _ := os.ReadDir(opts.Dir); len(files) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a segment that nobody refers to is open")
		}
	}
}

// What the last user, killed, could not take away goes when somebody looks.
func goneAfterDeath(t *testing.T, opts *shm.Options) {
	for _, look := range []func() error{
		func() error { _, err := shm.Prune(t.Context(), opts); return err },
		func() error {
			if _, err := shm.Open(t.Context(), "s", opts); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("open: %w", err)
			}
			return nil
		},
		func() error {
			seg, err := shm.Create(t.Context(), "s", shm.Spec{}, opts)
			if err != nil {
				return err
			}
			return seg.Close()
		},
	} {
		c := start(t, childCreates, opts.Dir, "s")
		if s := c.line(); s != "<nil>" {
			t.Fatal(s)
		}
		wantFiles(t, opts, 1)
		c.kill()
		if err := look(); err != nil {
			t.Error(err)
		}
		wantFiles(t, opts, 0)
	}
}

func oneRemovedByHand(t *testing.T, opts *shm.Options) {
	for _, name := range []string{"a", "b"} {
		c := start(t, childCreates, opts.Dir, name)
		if s := c.line(); s != "<nil>" {
			t.Fatal(s)
		}
		c.kill()
	}
	if err := os.Remove(filepath.Join(opts.Dir, "a.shoal")); err != nil {
		t.Fatal(err)
	}
	removed, err := shm.Prune(t.Context(), opts)
	if err != nil || len(removed) != 1 || removed[0] != "b" {
		t.Errorf("pruned %v, %v", removed, err)
	}
	wantFiles(t, opts, 0)
}

// childAwaits opens s as soon as it is there and says what its value is.
var childAwaits = registerChild("awaits", func(args []string) {
	ctx := context.Background()
	say("begins")
	for {
		seg, err := shm.Open(ctx, "s", &shm.Options{Dir: args[0]})
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			say(err)
			return
		}
		v, err := value.Open[int](ctx, seg, "v")
		if err != nil {
			say(err)
			return
		}
		say(v.Load(), seg.Close())
		return
	}
})

// Who opens a segment while its creator still fills it sees all of it or none.
func slowInit(t *testing.T, opts *shm.Options) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		c := start(t, childAwaits, opts.Dir)
		slow := &shm.Options{Dir: opts.Dir, Init: func(seg *shm.Segment) error {
			v, err := value.Create(t.Context(), seg, "v", 1)
			if err != nil {
				return err
			}
			c.line() // it looks by now
			<-time.After(2 * time.Millisecond)
			return v.Store(t.Context(), 789)
		}}
		seg := create(t.Context(), "s", slow)
		if s := c.line(); s != "789 <nil>" {
			t.Errorf("the first that it sees is %s", s)
		}
		c.wait()
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	}
}

func directoriesAreApart(t *testing.T, opts *shm.Options) {
	other := &shm.Options{Dir: t.TempDir()}
	a, b := create(t.Context(), "s", opts), create(t.Context(), "s", other)
	defer b.Close()
	must2(t)(textArray(t.Context(), a)).CopyIn(0, []byte("a"))
	if text := must2(t)(textArray(t.Context(), b)); text.At(0) != 0 {
		t.Errorf("the other one has %q", text.View())
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	emptied(t, opts.Dir)
	wantFiles(t, other, 1)
}

func deadAndAlive(t *testing.T, opts *shm.Options) {
	const all = 5
	for dead := 1; dead < all; dead++ {
		seg := create(t.Context(), "s", opts)
		var children []*child
		for range all {
			c := start(t, childOpens, opts.Dir, "s")
			if s := c.line(); s != "<nil>" {
				t.Fatal(s)
			}
			children = append(children, c)
		}
		deaths := seg.Deaths(t.Context())
		for _, c := range children[:dead] {
			c.kill()
		}
		told := 0
		for d, err := range deaths {
			if err != nil || d.Participant.Alive {
				t.Fatalf("%v, %v", d, err)
			}
			if told++; told == dead {
				break
			}
		}
		ps, err := seg.Participants()
		if err != nil || len(ps) != 1+all-dead {
			t.Errorf("%d dead: participants %v, %v", dead, ps, err)
		}
		for _, c := range children[dead:] {
			c.tell("close")
			c.line()
			c.wait()
		}
		check(t, seg)
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	}
}

// childFounds makes a segment with something in it, and waits to be killed.
var childFounds = registerChild("founds", func(args []string) {
	ctx := context.Background()
	seg, err := shm.Create(ctx, "s", shm.Spec{}, &shm.Options{Dir: args[0]})
	if err != nil {
		say(err)
		return
	}
	text, err := textArray(ctx, seg)
	if err == nil {
		text.CopyIn(0, []byte("from the founder"))
	}
	say(err)
	hear()
})

// What a creator made outlives it for those that have it open, and for newcomers.
func creatorIsKilled(t *testing.T, opts *shm.Options) {
	c := start(t, childFounds, opts.Dir)
	if s := c.line(); s != "<nil>" {
		t.Fatal(s)
	}
	seg := must(t, open(t.Context(), "s", opts), nil)
	defer seg.Close()
	text := must2(t)(textArray(t.Context(), seg))
	c.kill()
	if string(text.View()) != "from the founder" {
		t.Errorf("it has %q", text.View())
	}
	next := start(t, childWrites, opts.Dir, "from a newcomer!")
	if s := next.line(); s != "from the founder" {
		t.Errorf("a newcomer sees %q", s)
	}
	next.line()
	next.wait()
	if string(text.View()) != "from a newcomer!" {
		t.Errorf("a newcomer left %q", text.View())
	}
	check(t, seg)
}

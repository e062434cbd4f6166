//go:build linux

package guardian_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

func mustJoin(t *testing.T, tab *table, slot int) *guardian.Member {
	t.Helper()
	m, err := tab.join(slot)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustRelease(t *testing.T, m *guardian.Member) {
	t.Helper()
	if err := m.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestJoinRelease(t *testing.T) {
	tab := newTable(t, t.TempDir())
	for _, slot := range []int{0, 1, slots - 1, 1} {
		m := mustJoin(t, tab, slot)
		if word := tab.word(slot).Load(); word&guardian.Waiters == 0 || guardian.Marked(word) {
			t.Errorf("slot %d: the word is %#x", slot, word)
		}
		if m.Listed() != sys.Probe().RobustList {
			t.Errorf("slot %d: listed %v", slot, m.Listed())
		}
		if !tab.held(t, slot) {
			t.Errorf("slot %d: the byte is free", slot)
		}
		mustRelease(t, m)
		mustRelease(t, m)
		if word := tab.word(slot).Load(); word != 0 || tab.held(t, slot) {
			t.Errorf("slot %d: released, the word is %#x, the byte held: %v", slot, word, tab.held(t, slot))
		}
	}
}

func TestReleaseWakes(t *testing.T) {
	tab := newTable(t, t.TempDir())
	m := mustJoin(t, tab, 1)
	alive := tab.word(1).Load()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for tab.word(1).Load() == alive {
				sys.FutexWait(satomic.Ptr(tab.word(1)), alive, watchdog)
			}
		})
	}
	mustRelease(t, m)
	wg.Wait()
}

func TestJoinTaken(t *testing.T) {
	tab := newTable(t, t.TempDir())
	m := mustJoin(t, tab, 1)
	alive := tab.word(1).Load()
	resources := ownResources(t)
	if _, err := tab.join(1); !errors.Is(err, guardian.ErrTaken) {
		t.Errorf("a slot that is held: %v, want ErrTaken", err)
	}
	tab.word(2).Store(dead) // not yet repaired
	if _, err := tab.join(2); !errors.Is(err, guardian.ErrTaken) {
		t.Errorf("a slot of the dead: %v, want ErrTaken", err)
	}
	if tab.word(1).Load() != alive || tab.word(2).Load() != dead || tab.held(t, 2) {
		t.Errorf("words %#x, %#x, byte held: %v; want %#x, %#x, false",
			tab.word(1).Load(), tab.word(2).Load(), tab.held(t, 2), alive, uint32(dead))
	}
	if _, err := guardian.Join(tab.file, wordOff(3)+4, byteOff(3)); err == nil {
		t.Error("a word that is not aligned was joined")
	}
	if tab.held(t, 3) {
		t.Error("the byte is held after an error")
	}
	reader, err := sys.OpenReadOnly(tab.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := guardian.Join(reader, wordOff(3), byteOff(3)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("joining by a closed file: %v, want fs.ErrClosed", err)
	}
	mustRelease(t, m)
	for range 50 {
		mustRelease(t, mustJoin(t, tab, 1))
	}
	mustRelease(t, mustJoin(t, tab, 1))
	if got := ownResources(t); got > resources {
		t.Errorf("%d descriptors and mappings, were %d", got, resources)
	}
}

// ownResources counts this process's descriptors, and its mappings of tables.
func ownResources(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds) + bytes.Count(maps, []byte("/table"))
}

// TestStorm joins and releases from many goroutines at once.
func TestStorm(t *testing.T) {
	tabs := []*table{newTable(t, t.TempDir()), newTable(t, memoryDir(t))}
	if err := storm(tabs, 400); err != nil {
		t.Fatal(err)
	}
	for i, tab := range tabs {
		for slot := range 16 {
			if word := tab.word(slot).Load(); word != 0 || tab.held(t, slot) {
				t.Errorf("table %d slot %d: word %#x, byte held: %v", i, slot, word, tab.held(t, slot))
			}
		}
	}
}

// memoryDir makes a directory in memory, which goes away.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir := "/dev/shm/shoal-guardian-" + rand.Text()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Skip("no /dev/shm:", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// storm joins and releases at random; a slot is either taken or ours.
func storm(tabs []*table, rounds int) error {
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			for range rounds {
				tab, slot := tabs[mathrand.N(len(tabs))], mathrand.N(16)
				m, err := tab.join(slot)
				if errors.Is(err, guardian.ErrTaken) {
					continue
				}
				if err == nil {
					err = m.Release()
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var all []error
	for range cap(errs) {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// TestKilledInStorm kills processes at random moments of joins and releases.
// Each slot is then free or marked, and every byte is free.
func TestKilledInStorm(t *testing.T) {
	tab, other := newTable(t, t.TempDir()), newTable(t, memoryDir(t))
	var never satomic.Uint32
	marked := 0
	for range 40 {
		h := startHelper(t, nil, "storm", tab.file.Name(), other.file.Name())
		h.line(t)
		sys.FutexWait(satomic.Ptr(&never), 0, mathrand.N(5*time.Millisecond))
		h.kill(t)
		for i, x := range []*table{tab, other} {
			for slot := range 16 {
				marked += x.checkDead(t, fmt.Sprint("table ", i), slot)
			}
		}
	}
	t.Logf("%d slots were marked", marked)
	if marked == 0 && sys.Probe().RobustList {
		t.Error("no process died as a member")
	}
}

// checkDead checks a slot of which every owner is dead, frees it, and returns
// how many owners it had when they died.
func (tab *table) checkDead(t *testing.T, where string, slot int) int {
	t.Helper()
	word := tab.word(slot)
	x := word.Load()
	tab.awaitFree(t, slot)
	if x == 0 {
		return 0
	}
	if x != dead && sys.Probe().RobustList {
		t.Errorf("%s slot %d: the word is %#x: neither free nor marked", where, slot, x)
	}
	word.Store(0)
	return 1
}

func helpStorm(args []string) error {
	var tabs []*table
	for _, name := range args {
		f, err := sys.OpenReadWrite(name)
		if err != nil {
			return err
		}
		tab, err := openTable(f)
		if err != nil {
			return err
		}
		tabs = append(tabs, tab)
	}
	say("here")
	return storm(tabs, 1<<30)
}

// TestMany joins more slots than the kernel looks at.
func TestMany(t *testing.T) {
	const beyond = 5
	tab := newTable(t, memoryDir(t))
	h := startHelper(t, nil, "many", tab.file.Name(), strconv.Itoa(sys.RobustLimit+beyond))
	h.line(t)
	h.kill(t)
	marked := 0
	for slot := range sys.RobustLimit + beyond {
		switch x := tab.word(slot).Load(); {
		case x == 0:
			t.Errorf("slot %d: the word is 0", slot)
		case guardian.Marked(x):
			marked++
		default:
			if !guardian.Mark(tab.word(slot), x) {
				t.Errorf("slot %d: cannot be marked", slot)
			}
		}
		if tab.held(t, slot) {
			t.Errorf("slot %d: the byte is held by the dead", slot)
		}
	}
	want := 0
	if sys.Probe().RobustList {
		want = sys.RobustLimit
	}
	if marked != want {
		t.Errorf("%d of %d slots were marked, want %d", marked, sys.RobustLimit+beyond, want)
	}
}

func helpMany(args []string) error {
	f, err := sys.OpenReadWrite(args[0])
	if err != nil {
		return err
	}
	tab, err := openTable(f)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	members := make([]*guardian.Member, n)
	for slot := range members {
		if members[slot], err = tab.join(slot); err != nil {
			return err
		}
	}
	// One that is in the list makes room for one that is not.
	last := n - 1
	if members[last].Listed() {
		return errors.New("more are listed than the kernel looks at")
	}
	if err := errors.Join(members[7].Release(), members[last].Release()); err != nil {
		return err
	}
	for _, slot := range []int{last, 7} {
		if members[slot], err = tab.join(slot); err != nil {
			return err
		}
	}
	if members[last].Listed() != sys.Probe().RobustList || members[7].Listed() {
		return errors.New("the place of one that was released is not used")
	}
	say("joined")
	awaitParent()
	return errors.New("not killed")
}

// TestMembersOnAllKindsOfFiles kills a process that is a member of three files.
func TestMembersOnAllKindsOfFiles(t *testing.T) {
	files := map[string]*table{"disk": newTable(t, t.TempDir()), "tmpfs": newTable(t, memoryDir(t))}
	if f, err := sys.Memfd("table"); err == nil {
		files["memory"] = tableOn(t, f)
	}
	var names []string
	var passed []*os.File
	for name, tab := range files {
		names = append(names, name)
		passed = append(passed, tab.file)
	}
	h := startHelper(t, func(c *exec.Cmd) { c.ExtraFiles = passed }, "members", strconv.Itoa(len(passed)))
	h.line(t)
	for name, tab := range files {
		if tab.word(3).Load() == 0 || !tab.held(t, 3) {
			t.Errorf("%s: word %#x, byte held: %v", name, tab.word(3).Load(), tab.held(t, 3))
		}
	}
	h.kill(t)
	for _, name := range names {
		if files[name].checkDead(t, name, 3) != 1 {
			t.Errorf("%s: the slot is free", name)
		}
	}
}

func helpMembers(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for i := range n {
		f := os.NewFile(uintptr(3+i), "passed")
		if _, err := guardian.Join(f, wordOff(3), byteOff(3)); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	say("joined")
	awaitParent()
	return errors.New("not killed")
}

// TestMarkIfGone audits a slot that one goroutine joins and releases all the
// time, always with the same number: it must never be marked.
func TestMarkIfGone(t *testing.T) {
	tab := newTable(t, t.TempDir())
	word := tab.word(1)
	audit := func() bool {
		t.Helper()
		marked, err := guardian.MarkIfGone(tab.file, word, byteOff(1))
		if err != nil {
			t.Fatal(err)
		}
		return marked
	}
	done := make(chan error)
	go func() {
		for range 3000 {
			m, err := tab.join(1)
			if errors.Is(err, guardian.ErrTaken) {
				continue // the auditor has the byte
			}
			if err == nil {
				err = m.Release()
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
			if audit() {
				t.Fatal("a living process was marked")
			}
		}
	}
	if audit() {
		t.Error("a free slot was marked")
	}
	word.Store(guardian.Waiters | 99) // its owner's end was not noticed
	if !audit() || word.Load() != dead {
		t.Errorf("not marked: %#x", word.Load())
	}
	if audit() || tab.held(t, 1) {
		t.Error("marked twice, or the byte is still locked")
	}
}

package scribble_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	segmentName = "s"
	fileName    = "s.shoal"
)

// evil writes over a segment's file.
type evil struct {
	r      *rand.Rand
	path   string
	image  []byte // the segment at rest
	parts  []part
	memory []byte
	inode  uint64
	writes int
	last   [64]string // the last writes of phases
}

// scribble is the role of the scribbler: directory, seed, and the only part to
// write to or "". It stops, with the worst left in place, when it is told to.
func scribble(args []string) {
	stopped := untilStopped()
	seed, _ := strconv.ParseUint(args[1], 10, 64)
	e := &evil{r: rand.New(rand.NewPCG(seed, 2)), path: filepath.Join(args[0], fileName)}
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var err error
	e.image, err = os.ReadFile(e.path)
	must(err)
	l, err := readLayouts("../../../docs/layout.md")
	must(err)
	e.parts, err = partsOf(l, e.image)
	must(err)
	if only := args[2]; only != "" {
		e.confine(only)
	}
	must(e.open())
	say("ready")
	for done := false; !done; {
		select {
		case <-stopped:
			done = true
		default:
			e.phase(args[2] == "")
			must(e.follow())
		}
	}
	e.leave(args[2])
	for i := range e.last {
		if s := e.last[(e.writes+i)%len(e.last)]; s != "" {
			say("evil %s", s)
		}
	}
	say("writes %d", e.writes)
}

// isEndless reports whether t is of a lock that a call waits for without end: Set
// of elements across two words has no context, and Cond.Wait does not return
// without its mutex. No bytes can tell a lock that somebody forged from one that
// a stopped process holds.
func isEndless(t target) bool {
	return strings.HasPrefix(t.name, "three.partsLock.") || strings.HasPrefix(t.name, "cond/mutex.")
}

// leave makes the last state the worst for who only has that one target. Else it
// frees the locks that some would wait for without end.
func (e *evil) leave(only string) {
	for _, p := range e.parts {
		for _, t := range p.targets {
			switch {
			case only != "":
				e.store(t, math.MaxInt64)
			case isEndless(t):
				e.store(t, 0)
			}
		}
	}
}

// confine leaves only the targets of that name.
func (e *evil) confine(only string) {
	for _, p := range e.parts {
		for _, t := range p.targets {
			if t.name == only {
				e.parts = []part{{only, []target{t}, t.off, t.off + int64(t.size)}}
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, "no target", only)
	os.Exit(1)
}

// open maps the file as it is now.
func (e *evil) open() error {
	f, err := os.OpenFile(e.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < int64(len(e.image)) {
		return fmt.Errorf("the file has %d bytes", info.Size())
	}
	if e.memory != nil {
		_ = syscall.Munmap(e.memory)
	}
	e.memory, err = syscall.Mmap(int(f.Fd()), 0, len(e.image), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		e.inode = st.Ino
	}
	return err
}

// follow makes the name lead to a segment again whose objects are known: a state
// of "removed" has others take the name away, and make a segment of their own.
func (e *evil) follow() error {
	info, err := os.Stat(e.path)
	if err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Ino == e.inode {
			return nil
		}
	}
	if err := os.WriteFile(e.path+".new", e.image, 0o600); err != nil {
		return err
	}
	if err := os.Rename(e.path+".new", e.path); err != nil {
		return err
	}
	return e.open()
}

func (e *evil) word32(off int64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&e.memory[off&^3]))
}

func (e *evil) word64(off int64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&e.memory[off&^7]))
}

func (e *evil) load(t target) uint64 {
	if t.size == 4 {
		return uint64(e.word32(t.off).Load())
	}
	return e.word64(t.off).Load()
}

func (e *evil) store(t target, x uint64) {
	if t.size == 4 {
		e.word32(t.off).Store(uint32(x))
	} else {
		e.word64(t.off).Store(x)
	}
	e.writes++
}

// note keeps what a phase writes.
func (e *evil) note(how string, t target, x uint64) {
	e.last[e.writes%len(e.last)] = fmt.Sprintf("%s %s %s (at %d) = %#x", time.Now().Format("05.000"), how, t.name, t.off, x)
}

// phase does one kind of evil to one part for a while, and then mostly mends it
// (where mend is so), so that there is something to spoil.
func (e *evil) phase(mend bool) {
	p := e.parts[e.r.IntN(len(e.parts))]
	end := time.Now().Add(time.Duration(20+e.r.IntN(120)) * time.Millisecond)
	switch e.r.IntN(4) {
	case 0:
		e.flip(p, end)
	case 1:
		e.spoil(p, end)
	case 2:
		e.tangle(p, end)
	default:
		if e.r.IntN(3) > 0 || !mend {
			e.flip(p, end)
		} else {
			e.noise(p, end)
		}
	}
	if !mend || e.r.IntN(4) == 0 {
		return
	}
	e.restore(0, slotsOff)
	if e.r.IntN(8) == 0 {
		e.restore(slotsOff, deathsOff)
	}
	e.restore(deathsOff, int64(len(e.image)))
}

// restore stores the image word by word, those that differ.
func (e *evil) restore(begin, end int64) {
	for off := begin; off+8 <= end; off += 8 {
		want := *(*uint64)(unsafe.Pointer(&e.image[off]))
		if w := e.word64(off); w.Load() != want {
			w.Store(want)
		}
	}
}

func (e *evil) pick(p part) target { return p.targets[e.r.IntN(len(p.targets))] }

// flip changes words all the time, so that who reads twice reads two things.
func (e *evil) flip(p part, end time.Time) {
	var ts [4]target
	var good, bad [4]uint64
	n := 1 + e.r.IntN(len(ts))
	for i := range n {
		ts[i] = e.pick(p)
		good[i] = e.load(ts[i])
		bad[i] = e.value(ts[i])
		e.note("flip", ts[i], bad[i])
	}
	for turn := 0; turn%64 != 0 || time.Now().Before(end); turn++ {
		for i := range n {
			e.store(ts[i], bad[i])
		}
		for range e.r.IntN(200) {
			runtime.KeepAlive(turn)
		}
		for i := range n {
			e.store(ts[i], good[i])
		}
		if turn%64 == 0 {
			time.Sleep(50 * time.Microsecond) // others want the processor too
		}
	}
	if e.r.IntN(2) == 0 {
		e.store(ts[0], bad[0])
	}
}

// spoil stores wrong values here and there and leaves them.
func (e *evil) spoil(p part, end time.Time) {
	for time.Now().Before(end) {
		t := e.pick(p)
		x := e.value(t)
		e.note("spoil", t, x)
		e.store(t, x)
		time.Sleep(time.Duration(e.r.IntN(int(10 * time.Millisecond))))
	}
}

// tangle copies words from one place to another: lists become cycles, two things
// have one owner, one place is in two lists.
func (e *evil) tangle(p part, end time.Time) {
	for time.Now().Before(end) {
		from, to := e.pick(p), e.pick(p)
		x := e.load(from)
		e.note("tangle", to, x)
		e.store(to, x)
		time.Sleep(time.Duration(e.r.IntN(int(3 * time.Millisecond))))
	}
}

// noise stores random bytes all over the part.
func (e *evil) noise(p part, end time.Time) {
	for turn := 0; time.Now().Before(end); turn++ {
		t := target{p.name, (p.begin + e.r.Int64N(p.end-p.begin)) &^ 3, 4}
		x := uint64(e.r.Uint32())
		e.note("noise", t, x)
		e.store(t, x)
		if turn%16 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// value returns what may hurt at t.
func (e *evil) value(t target) uint64 {
	now := e.load(t)
	size := uint64(len(e.image))
	some := []uint64{
		0, 1, 2, 3, participants, participants + 1, 4095, 4096, uint64(t.off), size, size - 1, size - 8, size + 1, 4 * size,
		1 << 12, 1 << 29, 1 << 30, 1 << 31, 1<<31 | 1<<30, 1<<31 | 1, 1<<29 | 2, 1<<32 - 1, 1 << 32, 1<<32 | 1, 1 << 40, 1 << 46,
		1<<63 - 1, 1 << 63, math.MaxUint64, math.MaxUint64 - 7, math.MaxUint64 &^ 4095, 127, 128, heapOffset, heapOffset + 1,
		now + 1, now - 1, now << 1, now << 32, now >> 32, ^now, now ^ 1<<e.r.IntN(64), now ^ 1<<e.r.IntN(32), now | 0xfff, now &^ 0xfff,
	}
	switch e.r.IntN(4) {
	case 0:
		return e.r.Uint64()
	case 1:
		return now&^0xfff | uint64(e.r.IntN(participants+2)) // another owner
	default:
		return some[e.r.IntN(len(some))]
	}
}

//go:build linux

package litmus

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

const (
	// childVariable tells a process which party it is.
	childVariable = "SHOAL_LITMUS_CHILD"
	// emulatorVariable names what runs these processes, if not the processor itself.
	emulatorVariable = "SHOAL_EMULATOR"

	mostParties = 4
	watchdog    = time.Minute
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A batch is one pass of every party over all cells, each in which is a fresh
// instance of the shape.
const (
	cells        = 2048
	wordsOfCell  = 64
	cellsBytes   = cells * wordsOfCell * 8
	resultsBytes = mostParties * cells * 16
	controlBytes = mem.CacheLine * (mostParties + 1)
	arenaBytes   = cellsBytes + resultsBytes + controlBytes
	// pace is after how many cells the parties come together again.
	pace = 8
)

// arena is the shared memory.
type arena struct {
	words   []satomic.Uint64 // of all cells
	plain   []uint64         // the same
	results [mostParties][][2]uint64
	ready   *satomic.Uint32 // how many parties came to the batch, ever
	at      [mostParties]*satomic.Uint32
	bytes   []byte
	file    *os.File
}

func mapArena(f *os.File) (*arena, error) {
	b, err := unix.Mmap(int(f.Fd()), 0, arenaBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	a := &arena{bytes: b, file: f}
	r := mem.FromBytes(b)
	if a.words, err = mem.Slice[satomic.Uint64](r, 0, cells*wordsOfCell); err != nil {
		return nil, err
	}
	if a.plain, err = mem.Slice[uint64](r, 0, cells*wordsOfCell); err != nil {
		return nil, err
	}
	for i := range a.results {
		if a.results[i], err = mem.Slice[[2]uint64](r, int64(cellsBytes+i*cells*16), cells); err != nil {
			return nil, err
		}
	}
	control := int64(cellsBytes + resultsBytes)
	if a.ready, err = mem.At[satomic.Uint32](r, control); err != nil {
		return nil, err
	}
	for i := range a.at {
		if a.at[i], err = mem.At[satomic.Uint32](r, control+int64(i+1)*mem.CacheLine); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// cell is one instance: words x, y and z, and data, at places that differ from
// batch to batch, on one line or on several.
type cell struct {
	x, y, z, v *satomic.Uint64
	px, py     *uint64          // x and y as no atomics
	data       []uint64         // dataWords of them, as no atomics
	copies     []satomic.Uint64 // twice dataWords of them
	file       *os.File
	fileAt     int64
}

const dataWords = 4

// layout says where the parts of a cell are.
type layout struct{ x, y, z, v, data, copies int }

func randomLayout(r *rand.Rand) layout {
	places := r.Perm(wordsOfCell / dataWords)
	word := func(i int) int { return places[i]*dataWords + r.IntN(dataWords) }
	l := layout{x: word(0), y: word(1), z: word(2), v: word(3), data: places[4] * dataWords}
	if r.IntN(2) == 0 { // all close together
		l = layout{x: 0, y: 1, z: 2, v: 3, data: 4}
	}
	for l.copies = 8; slices.ContainsFunc([]int{l.x, l.y, l.z, l.v, l.data}, func(at int) bool {
		return at/dataWords == l.copies/dataWords || at/dataWords == l.copies/dataWords+1
	}); l.copies += dataWords {
	}
	return l
}

func (a *arena) cell(i int, l *layout) cell {
	base := i * wordsOfCell
	words, plain := a.words[base:base+wordsOfCell:base+wordsOfCell], a.plain[base:base+wordsOfCell]
	return cell{
		x: &words[l.x], y: &words[l.y], z: &words[l.z], v: &words[l.v],
		px: &plain[l.x], py: &plain[l.y],
		data:   plain[l.data : l.data+dataWords],
		copies: words[l.copies : l.copies+2*dataWords],
		file:   a.file, fileAt: int64(base+l.data) * 8,
	}
}

// pass runs one party of a shape over all cells.
func (a *arena) pass(s *shape, party int, batch, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	l := randomLayout(r)
	own := rand.New(rand.NewPCG(seed, uint64(party)+1))
	run, out := s.parties[party], a.results[party]
	a.ready.Add(1)
	for n := 1; a.ready.Load() < uint32(batch)*uint32(len(s.parties)); n++ {
		if n%1000 == 0 {
			yield()
		}
	}
	mine := a.at[party]
	for i := range out {
		if i%pace == 0 {
			mine.Store(uint32(i / pace))
			for k := range s.parties {
				// Not for ever: the other may not run.
				for n := 1; a.at[k].Load() < uint32(i/pace) && n < 200_000; n++ {
					if n%2000 == 0 {
						yield()
					}
				}
			}
			for n := own.IntN(40); n > 0; n-- {
				mine.Load()
			}
		}
		c := a.cell(i, &l)
		out[i][0], out[i][1] = run(&c)
	}
}

// pin gives the calling goroutine a thread that runs on one processor, another
// one for each party while there are enough: where several parties share one,
// each sees what the other did as if nothing was ever reordered.
func pin(party int) error {
	runtime.LockOSThread()
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return err
	}
	n := party % may.Count()
	for i := 0; ; i++ {
		if !may.IsSet(i) {
			continue
		}
		if n == 0 {
			var one unix.CPUSet
			one.Set(i)
			return unix.SchedSetaffinity(0, &one)
		}
		n--
	}
}

// yield lets another process run, should there be fewer processors than parties.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// child is a party: for each line with a shape, a batch and a seed it runs a pass.
func child(text string) error {
	var party int
	if _, err := fmt.Sscan(text, &party); err != nil {
		return err
	}
	a, err := mapArena(os.NewFile(3, "arena"))
	if err != nil {
		return err
	}
	if err := pin(party); err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var row int
		var batch, seed uint64
		if _, err := fmt.Sscan(lines.Text(), &row, &batch, &seed); err != nil {
			return err
		}
		a.pass(&shapes()[row], party, batch, seed)
		if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
			return err
		}
	}
	return nil
}

// bench is the arena and the children of a test, which is party 0 itself.
type bench struct {
	t       *testing.T
	arena   *arena
	parties []*party
	row     int
	batch   uint64
	shape   *shape
	seen    map[string]int
	total   int
}

type party struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan error
}

func newBench(t *testing.T, row int) *bench {
	t.Helper()
	f, err := os.OpenFile(t.TempDir()+"/arena", os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	must(t, f.Truncate(arenaBytes))
	a, err := mapArena(f)
	must(t, err)
	t.Cleanup(func() { must(t, unix.Munmap(a.bytes)) })
	b := &bench{t: t, arena: a, row: row, shape: &shapes()[row], seen: map[string]int{}}
	for i := 1; i < len(b.shape.parties); i++ {
		b.parties = append(b.parties, b.start(i))
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) start(i int) *party {
	b.t.Helper()
	p := &party{cmd: exec.Command(os.Args[0]), done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childVariable, i))
	p.cmd.ExtraFiles = []*os.File{b.arena.file}
	p.cmd.Stderr = os.Stderr
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	must(b.t, err)
	stdout, err := p.cmd.StdoutPipe()
	must(b.t, err)
	must(b.t, p.cmd.Start())
	go func() {
		for one := make([]byte, 1); ; {
			_, err := io.ReadFull(stdout, one)
			p.done <- err
			if err != nil {
				return
			}
		}
	}()
	b.t.Cleanup(func() {
		_ = p.stdin.Close()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // it has told all that it had to
	})
	return p
}

// run runs one batch and counts its outcomes.
func (b *bench) run() {
	b.t.Helper()
	b.batch++
	clear(b.arena.bytes[:cellsBytes+resultsBytes])
	for i := range b.arena.at {
		b.arena.at[i].Store(0)
	}
	seed := rand.Uint64()
	for _, p := range b.parties {
		_, err := fmt.Fprintln(p.stdin, b.row, b.batch, seed)
		must(b.t, err)
	}
	end := make(chan struct{})
	go func() {
		defer close(end)
		if err := pin(0); err != nil { // the thread ends with the goroutine
			b.t.Error(err)
		}
		b.arena.pass(b.shape, 0, b.batch, seed)
	}()
	hang := time.After(watchdog)
	for _, p := range b.parties {
		select {
		case err := <-p.done:
			must(b.t, err)
		case <-hang:
			b.t.Fatal("a child hangs")
		}
	}
	<-end
	b.tally()
}

func (b *bench) tally() {
	counts := map[[mostParties][2]uint64]int{}
	for i := range cells {
		var o [mostParties][2]uint64
		for k := range b.shape.parties {
			o[k] = b.arena.results[k][i]
		}
		counts[o]++
	}
	for o, n := range counts {
		var texts []string
		for k := range b.shape.parties {
			texts = append(texts, strings.TrimSuffix(fmt.Sprintf("%d,%d", o[k][0], o[k][1]), ",0"))
		}
		b.seen[strings.Join(texts, " | ")] += n
	}
	b.total += cells
}

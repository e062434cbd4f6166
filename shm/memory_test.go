package shm_test

import (
	"encoding/binary"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/shm"
)

// Places in a segment, as docs/layout.md has them.
const (
	offState      = 24
	offBackend    = 28
	offSlots      = 32
	offEntries    = 36
	offSize       = 40
	offMaxSize    = 48
	offFresh      = 64
	offLifetime   = 72
	offSpecHash   = 104
	offDeaths     = 392
	offHigh       = 400
	offSlot       = 4096 // slot s is (s-1)*sizeSlot further
	sizeSlot      = 256
	inSlotPID     = 24
	inSlotBoard   = 136
	inSlotFenced  = 200
	deathsSize    = 64 * 640
	inEntryKind   = 8
	inEntryOff    = 16
	inEntrySize   = 24
	lockOfSlotOne = 1<<62 + 1
)

// offEntry is where the directory of a segment for that many participants begins.
func offEntry(slots int64) int64 { return offSlot + slots*sizeSlot + deathsSize }

// bytesOf is the memory of a segment's file, as another program would map it.
type bytesOf struct {
	tb     testing.TB
	file   *os.File
	region mem.Region
}

func memoryOf(tb testing.TB, dir, name string) *bytesOf {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name+".shoal"), os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	data, err := sys.MapFile(f, info.Size())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = sys.Unmap(data)
		_ = f.Close()
	})
	return &bytesOf{tb, f, mem.FromBytes(data)}
}

func (b *bytesOf) word32(off int64) *satomic.Uint32 {
	b.tb.Helper()
	w, err := mem.At[satomic.Uint32](b.region, off)
	if err != nil {
		b.tb.Fatal(err)
	}
	return w
}

func (b *bytesOf) word64(off int64) *satomic.Uint64 {
	b.tb.Helper()
	w, err := mem.At[satomic.Uint64](b.region, off)
	if err != nil {
		b.tb.Fatal(err)
	}
	return w
}

// rehash makes the header's hash that of what the header says.
func (b *bytesOf) rehash() {
	h := fnv.New64a()
	for _, n := range []uint64{
		uint64(b.word32(offSlots).Load()), uint64(b.word32(offEntries).Load()), b.word64(offMaxSize).Load(),
		uint64(uint8(b.word32(offLifetime).Load())), uint64(b.word32(offBackend).Load()),
	} {
		h.Write(binary.LittleEndian.AppendUint64(nil, n))
	}
	b.word64(offSpecHash).Store(h.Sum64())
}

// dying is a participant whose death the kernel has marked but which is not yet
// gone: it dumps its core, or hangs in a system call.
type dying struct {
	t    testing.TB
	file *os.File
}

// die makes slot that of a dying participant of the segment in the memory b.
func (b *bytesOf) die(slot int64, pid uint32) dying {
	b.tb.Helper()
	f, err := sys.Reopen(b.file)
	if err != nil {
		b.tb.Fatal(err)
	}
	if ok, err := sys.LockByte(f, lockOfSlotOne-1+slot); !ok || err != nil {
		b.tb.Fatal(ok, err)
	}
	b.tb.Cleanup(func() { _ = f.Close() })
	at := offSlot + (slot-1)*sizeSlot
	for _, field := range []int64{8, 12, 16, 20} { // left, phase, recorded
		b.word32(at + field).Store(0)
	}
	b.word32(at + 4).Add(1)
	b.word32(at + inSlotPID).Store(pid)
	b.word32(at + inSlotFenced).Store(1)
	if high := b.word32(offHigh); high.Load() < uint32(slot) {
		high.Store(uint32(slot))
	}
	b.word32(at).Store(0xc0000000)
	return dying{b.tb, f}
}

// end is the end of the dying participant's last system call.
func (d dying) end() {
	d.t.Helper()
	if err := d.file.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// kept returns a closed segment of its own, which stays.
func kept(tb testing.TB, spec shm.Spec) (*shm.Options, *bytesOf) {
	tb.Helper()
	opts := &shm.Options{Dir: tb.TempDir()}
	spec.Lifetime = shm.Persistent
	seg, err := shm.Create(tb.Context(), "s", spec, opts)
	if err != nil {
		tb.Fatal(err)
	}
	createMutex(tb, seg, "m")
	if err := seg.Close(); err != nil {
		tb.Fatal(err)
	}
	return opts, memoryOf(tb, opts.Dir, "s")
}

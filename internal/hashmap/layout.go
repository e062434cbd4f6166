package hashmap

import (
	"structs"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// header begins a map. The stripes follow, then a word for each bucket, then the
// bitmap, then a 32-bit owner for each entry, then the entries; each part begins
// on a line of its own. Zeros are an empty map.
//
//	offset size field meaning
//	0 8 seed of the hash; chosen at creation
//	8 120 - zero
type header struct {
	_    structs.HostLayout
	seed satomic.Uint64
	_    [120]byte
}

// stripe is what those who change some of the buckets share.
//
//	offset size field meaning
//	0 64 lock of the writers
//	64 4 count live entries in the stripe's buckets
//	68 4 hint 1 plus the word of the bitmap to look for a free entry first; 0: not set
//	72 4 freed how often an entry became free that was the stripe's
//	76 52 - zero
type stripe struct {
	_     structs.HostLayout
	lock  robust.Words
	count satomic.Uint32
	hint  satomic.Uint32
	freed satomic.Uint32
	_     [52]byte
}

// entry begins an entry. The key follows, in whole words, and then two copies of
// the value, each in whole words: before the bytes of one that was encoded there
// is a word with their number.
//
//	offset size field meaning
//	0 8 meta bit 0: live; above: version, whose lowest bit chooses the current copy; commit word of all changes
//	8 8 busy the version that is being written, or was written last
//	16 4 next the next entry of the chain, plus 1; 0: none
//	20 4 tag high half of the key's hash
//	24 4 keyLen bytes of the key
//	28 4 - zero
type entry struct {
	_      structs.HostLayout
	meta   satomic.Uint64
	busy   satomic.Uint64
	next   satomic.Uint32
	tag    satomic.Uint32
	keyLen satomic.Uint32
	_      [4]byte
}

const (
	headerSize = mem.CacheLine
	stripeSize = mem.CacheLine
	entrySize  = 32
	// entryAlign is what the distance between entries is a multiple of.
	entryAlign = 64

	maxStripes = 64
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Sizeof(stripe{})-stripeSize]
	_ = [1]struct{}{}[unsafe.Offsetof(stripe{}.count)-robust.WordsSize]
	_ = [1]struct{}{}[unsafe.Sizeof(entry{})-entrySize]
	_ = [1]struct{}{}[unsafe.Offsetof(entry{}.next)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(entry{}.keyLen)-24]
)

// Parts of entry.meta.
const (
	live       = 1
	oneVersion = 2
)

func versionOf(meta uint64) uint64 { return meta / oneVersion }

// A bucket's word: the index of the first entry plus 1, 0: none; and above it how
// often the chain has changed, modulo 2^36.
const (
	headBits = 28
	headMask = 1<<headBits - 1
)

// nextBucket returns the word of a bucket that was x when its first entry is head.
func nextBucket(x uint64, head uint32) uint64 {
	return (x>>headBits+1)<<headBits | uint64(head)
}

// MaxCap is the most entries that a map has.
const MaxCap = headMask

// places says where the parts of a map lie.
type places struct {
	buckets, stripes         uint32 // powers of two
	stripesOff, bucketsOff   int64
	bitmapOff, bitmapWords   int64
	ownersOff, entriesOff    int64
	stride                   int64
	keyWords, copyWords      int64
	firstCopyOff, secondCopy int64 // in words, from the beginning of an entry
	end                      int64 // size of the region
}

func place(s Spec) places {
	p := places{buckets: 1}
	for int64(p.buckets) < s.Cap {
		p.buckets *= 2
	}
	p.stripes = min(p.buckets, maxStripes)
	p.stripesOff = headerSize
	p.bucketsOff = p.stripesOff + int64(p.stripes)*stripeSize
	p.bitmapOff = mem.Align(p.bucketsOff+int64(p.buckets)*8, mem.CacheLine)
	p.bitmapWords = (s.Cap + 63) / 64
	p.ownersOff = mem.Align(p.bitmapOff+p.bitmapWords*8, mem.CacheLine)
	p.entriesOff = mem.Align(p.ownersOff+s.Cap*4, mem.CacheLine)
	p.keyWords = mem.WordsOf(s.KeySize)
	p.copyWords = mem.WordsOf(s.ValueSize)
	if s.Values == Encoded {
		p.copyWords++
	}
	p.firstCopyOff = entrySize/8 + p.keyWords
	p.secondCopy = p.firstCopyOff + p.copyWords
	p.stride = mem.Align((p.secondCopy+p.copyWords)*8, entryAlign)
	p.end = p.entriesOff + s.Cap*p.stride
	return p
}

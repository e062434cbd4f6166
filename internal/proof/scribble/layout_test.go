package scribble_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// target is a place to write to.
type target struct {
	name string
	off  int64
	size int // 4 or 8
}

// layouts are the tables of docs/layout.md by the name of the struct, such as
// "shm/layout.go header".
type layouts map[string][]target

var (
	structLine = regexp.MustCompile(`^<!-- struct (.*) -->$`)
	fieldLine  = regexp.MustCompile(`^\| (\d+) \| (\d+) \| ([^|]*) \|`)
)

func readLayouts(path string) (layouts, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all, name := layouts{}, ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if m := structLine.FindStringSubmatch(line); m != nil {
			name = m[1]
		}
		if m := fieldLine.FindStringSubmatch(line); m != nil {
			off, _ := strconv.ParseInt(m[1], 10, 64)
			size, _ := strconv.Atoi(m[2])
			all[name] = append(all[name], words(m[3], off, size)...)
		}
	}
	return all, nil
}

// words splits a field into words.
func words(name string, off int64, size int) []target {
	if size == 4 || size == 8 {
		return []target{{name, off, size}}
	}
	var ts []target
	for i := 0; i+8 <= size; i += 8 {
		ts = append(ts, target{fmt.Sprintf("%s+%d", name, i), off + int64(i), 8})
	}
	return ts
}

// Where the parts of a segment begin; heapOff is compared with the header's.
const (
	participants  = 12
	slotsOff      = 4096
	slotSize      = 256
	deathsOff     = slotsOff + participants*slotSize
	deathSize     = 640
	deathRecords  = 64
	entriesOff    = deathsOff + deathRecords*deathSize
	entrySize     = 192
	entries       = 1024
	usersOff      = entriesOff + entries*entrySize
	heapOffset    = (usersOff + entries*8 + 4095) / 4096 * 4096
	inHeapOff     = 56
	liveState     = 1
	ringHeader    = 896
	ringStride    = 128
	ringSlots     = 12 // those of the ring, and some for loans
	accountStride = 64
	accountsOff   = 256
)

// part is targets that one phase picks from.
type part struct {
	name    string
	targets []target
	begin   int64 // the bytes that belong together
	end     int64
}

// at returns ts, which are of a struct, as those of the struct at base.
func at(name string, base int64, ts []target) []target {
	moved := make([]target, len(ts))
	for i, t := range ts {
		moved[i] = target{name + "." + t.name, base + t.off, t.size}
	}
	return moved
}

// partsOf returns what there is to write to in the segment of that image.
func partsOf(l layouts, image []byte) ([]part, error) {
	if got := int64(binary.LittleEndian.Uint64(image[inHeapOff:])); got != heapOffset {
		return nil, fmt.Errorf("the heap begins at %d, not at %d", got, heapOffset)
	}
	slots := part{name: "participants", begin: slotsOff, end: deathsOff}
	for i := range participants {
		slots.targets = append(slots.targets, at(fmt.Sprint("participant ", i+1), slotsOff+int64(i)*slotSize, l["shm/layout.go participant"])...)
	}
	deaths := part{name: "deaths", begin: deathsOff, end: entriesOff}
	for i := range deathRecords {
		base := deathsOff + int64(i)*deathSize
		deaths.targets = append(deaths.targets, at(fmt.Sprint("death ", i), base, l["shm/layout.go death"])...)
	}
	directory := part{name: "directory", begin: entriesOff, end: usersOff}
	users := part{name: "users", begin: usersOff, end: heapOffset}
	parts := []part{{"header", at("header", 0, l["shm/layout.go header"]), 0, slotsOff}, slots, deaths}
	var objects []part
	for i := range 64 {
		base := entriesOff + int64(i)*entrySize
		if image[base] == liveState || i%8 == 0 {
			directory.targets = append(directory.targets, at(fmt.Sprint("entry ", i), base, l["shm/layout.go entry"])...)
			users.targets = append(users.targets, target{fmt.Sprint("users ", i), usersOff + int64(i)*8, 8})
		}
		if image[base] == liveState {
			objects = append(objects, objectPart(l, image, base))
		}
	}
	return append(append(parts, directory, users), objects...), nil
}

// objectPart returns the part of the object whose entry lies at base.
func objectPart(l layouts, image []byte, base int64) part {
	entry := image[base : base+entrySize]
	kind := binary.LittleEndian.Uint32(entry[8:])
	typeLen := int64(binary.LittleEndian.Uint32(entry[12:]))
	off := int64(binary.LittleEndian.Uint64(entry[16:]))
	size := int64(binary.LittleEndian.Uint64(entry[24:]))
	name, _, _ := bytes.Cut(entry[96:160], []byte{0})
	p := part{name: string(name), begin: off, end: off + size}
	r := off + (typeLen+127)/128*128
	add := func(what string, at0 int64, table string) {
		p.targets = append(p.targets, at(what, r+at0, l[table])...)
	}
	const robust, cell, vector, permit, ring = "internal/robust/layout.go ", "internal/cell/layout.go ", "internal/vector/layout.go ", "internal/permit/layout.go ", "internal/ring/layout.go "
	switch kind {
	case 1:
		add(p.name, 0, cell+"valueHeader")
		add(p.name+".lock", 128, robust+"Words")
	case 2:
		add(p.name, 0, cell+"atomicWords")
	case 3:
		add(p.name, 0, vector+"header")
		add(p.name+".lock", 0, robust+"Words")
		add(p.name+".partsLock", 128, robust+"Words")
	case 5:
		add(p.name, 0, robust+"Words")
	case 11:
		add(p.name, 0, permit+"header")
		for i := range participants + 1 {
			add(fmt.Sprint(p.name, ".account ", i), accountsOff+int64(i)*accountStride, permit+"account")
		}
	case 12:
		add(p.name, 0, ring+"header")
		for i := range ringSlots {
			add(fmt.Sprint(p.name, ".slot ", i), ringHeader+int64(i)*ringStride, ring+"slotHead")
		}
	}
	// And every word, for tables that this test does not know: owner words,
	// elements, messages.
	for o := off; o+8 <= off+min(size, 8<<10); o += 8 {
		p.targets = append(p.targets, target{fmt.Sprintf("%s at %d", p.name, o-off), o, 8})
	}
	return p
}

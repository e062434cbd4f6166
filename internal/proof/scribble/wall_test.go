package scribble_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

var walls struct {
	sync.Mutex
	built map[string]bool
}

// wall puts memory that nobody may touch before and behind each mapping of the
// segment where there is room, so that an access outside is a fault.
func wall(dir string) {
	walls.Lock()
	defer walls.Unlock()
	if walls.built == nil {
		walls.built = map[string]bool{}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	path := filepath.Join(dir, fileName)
	for line := range strings.Lines(string(maps)) {
		var begin, end uintptr
		if !strings.Contains(line, path) || walls.built[line] {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &begin, &end); err != nil || end-begin != uintptr(spec.MaxSize) {
			continue
		}
		if len(walls.built) > 100 {
			clear(walls.built)
		}
		walls.built[line] = true
		block(begin - thickness)
		block(end)
	}
}

const thickness = 64 << 10

// block takes the memory at addr, unless it is taken.
func block(addr uintptr) {
	const fixedNoReplace = 0x100000
	_, _, _ = syscall.Syscall6(syscall.SYS_MMAP, addr, thickness, syscall.PROT_NONE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE|fixedNoReplace, ^uintptr(0), 0)
}

package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// ownNumbers is the attribute of a process that is the first one of a pid
// namespace of its own.
func ownNumbers(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	}
	try := exec.Command("/proc/self/exe", "-test.run=^$")
	try.SysProcAttr = attr
	if err := try.Run(); err != nil {
		t.Skipf("no pid namespace can be made here: %v", err)
	}
	return attr
}

// TestSamePID has two applications with one process id, each in its namespace:
// both are shown, and the death of one is not that of the other.
func TestSamePID(t *testing.T) {
	dir := t.TempDir()
	dies := startAs(t, dir, "persistent", ownNumbers(t))
	for _, line := range []string{"objects", "lock", "acquire"} {
		dies.do(line)
	}
	lives := startAs(t, dir, "persistent", ownNumbers(t))
	lives.do("objects")
	in := parse[inspection](t, look(t, dir, "inspect", "orders", "--json"))
	if p := in.Participants; len(p) != 2 || p[0].PID != 1 || p[1].PID != 1 || !p[0].Alive || !p[1].Alive || p[0].Slot == p[1].Slot {
		t.Fatalf("the participants are %+v", p)
	}
	if h := in.object(t, "gate").Holds; len(h) != 1 || h[0].Slot != in.Participants[0].Slot {
		t.Errorf("the lock is held so: %+v", h)
	}
	dies.kill()
	await(t, "repair", func() bool {
		in = parse[inspection](t, shmctl(t, dir, "inspect", "orders", "--json"))
		return len(in.Participants) == 1 && in.Segment.Deaths > 0 // it is counted a moment later
	})
	if p := in.Participants[0]; p.PID != 1 || !p.Alive || in.Segment.Deaths != 1 {
		t.Errorf("left is %+v after %d deaths", p, in.Segment.Deaths)
	}
	lives.do("acquire") // the dead one's permits
	lives.quit()
}

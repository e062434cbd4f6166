package examples_test

import (
	"os"
	"os/exec"
	"time"
)

// leaving says what a program of this binary leaves behind.
const leaving = "SHOAL_EXAMPLES_LEAVE"

// leave is what such a program does.
func leave(what string) {
	switch what {
	case "a file":
		leaveFile()
	case "a child":
		leaveChild()
	case "itself":
		<-time.After(time.Hour)
	}
}

// leaveFile ends and leaves a file where temporary ones belong.
func leaveFile() {
	f, err := os.CreateTemp("", "left")
	if err != nil {
		panic(err)
	}
	_ = f.Close()
}

// leaveChild ends and leaves a child, which has not even its output.
func leaveChild() {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), leaving+"=itself")
	if err := child.Start(); err != nil {
		panic(err)
	}
}

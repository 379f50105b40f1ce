#include "textflag.h"

// func enter(code, stack uintptr, rounds int)
TEXT ·enter(SB), NOSPLIT, $16-24
	MOVQ code+0(FP), AX
	MOVQ stack+8(FP), BX
	MOVQ rounds+16(FP), CX
	CALL AX
	RET

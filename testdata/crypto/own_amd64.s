#include "textflag.h"

// func keeps(rounds int)
TEXT ·keeps(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	MOVQ BP, R8
	MOVQ $0x9e3779b97f4a7c15, BP
loop:
	IMULQ $31, BP
	ADDQ CX, BP
	DECQ CX
	JNZ loop
	MOVQ R8, BP
	RET

// func loses(rounds int)
TEXT ·loses(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	MOVQ $0x9e3779b97f4a7c15, BP
loop:
	IMULQ $31, BP
	ADDQ CX, BP
	DECQ CX
	JNZ loop
	RET

// func points(rounds int)
TEXT ·points(SB), NOSPLIT, $64-8
	MOVQ rounds+0(FP), CX
	LEAQ ·after(SB), AX
	ADDQ $16, AX
	LEAQ 40(SP), DX
	MOVQ DX, 16(SP)
	MOVQ AX, 24(SP)
	MOVQ DX, 40(SP)
	MOVQ AX, 48(SP)
	LEAQ 16(SP), BP
loop:
	IMULQ $31, DX
	ADDQ CX, DX
	DECQ CX
	JNZ loop
	RET

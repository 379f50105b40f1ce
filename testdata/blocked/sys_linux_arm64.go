package main

const sysUserfault = 282

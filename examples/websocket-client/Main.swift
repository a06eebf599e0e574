/// Under construction in this commit series.
@main struct Main { static func main() {} }

from carrier.main import main

main()
